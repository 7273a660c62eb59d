//! A secret that is pasted under a request: its scope accepts it from then on, and all kept
//! requests are checked with it.

use axum::{
    Form, Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::view::{Shown, page};
use crate::api::{
    query::Query,
    scopes::{self, ScopeSpec},
    shared::Shared,
};

/// It has no `Debug`, because it carries a secret.
#[derive(Deserialize)]
pub(super) struct SecretForm {
    secret: String,
    verify: String,
}

pub(super) async fn accept(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Form(form): Form<SecretForm>,
) -> Response {
    let record = match shared.record(id) {
        Ok(record) => record,
        Err(error) => return error.into_response(),
    };
    let scope = shared.polis.scopes.find(&record.scope);
    let settings = scope.map(|scope| scope.settings());
    let known = settings.and_then(|settings| settings.verification.clone());
    let mut secrets: Vec<String> = known
        .into_iter()
        .flat_map(|known| known.secrets)
        .map(|secret| secret.expose().to_owned())
        .collect();
    // Trimmed: no provider's secret begins or ends with a space.
    let pasted = form.secret.trim().to_owned();
    if !secrets.contains(&pasted) {
        secrets.push(pasted);
    }
    let spec = ScopeSpec {
        verify: Some(form.verify),
        secrets: Some(secrets),
        ..ScopeSpec::default()
    };
    let done = scopes::put(
        State(shared.clone()),
        Path(record.scope.to_string()),
        Json(spec),
    );
    let shown = match done.await {
        Ok(Json(scope)) => Shown::Notice(match scope.diagnosed {
            0 => "The secret is accepted; it changed no kept request's result.".to_owned(),
            1 => "The secret is accepted; the result of 1 kept request changed.".to_owned(),
            count => {
                format!("The secret is accepted; the results of {count} kept requests changed.")
            }
        }),
        Err(error) => Shown::Problem(error.to_string()),
    };
    page(shared, query, headers, Some((id, Some(shown)))).await
}
