//! The bar at the top of every page: where senders reach polis, its scopes, and an example to send.

use axum::{
    Form,
    extract::{Path, State},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    api::{error::ApiError, scopes, shared::Shared},
    diagnosis::{Preset, ToSign, sign},
    event_payload::{Happened, Payload},
    outbound::{Outgoing, Reach},
    resend::Signer,
    scope::{self, DEFAULT, SCOPES},
};

/// The bar of one page.
pub(super) struct Bar {
    /// Where senders reach the chosen scope.
    pub(super) capture: String,
    /// The chosen scope; empty for all of them.
    pub(super) scope: String,
    /// Every scope, with the number of requests it keeps.
    pub(super) scopes: Vec<(String, usize)>,
    /// The number of requests of all scopes.
    pub(super) kept: usize,
}

impl Bar {
    pub(super) fn of(shared: &Shared, scope: &str) -> Self {
        let polis = &shared.polis;
        let counted = |name: String| {
            let count = polis.store.count_of(&name);
            (name, count)
        };
        Self {
            capture: polis.scope_url(if scope.is_empty() { DEFAULT } else { scope }),
            scope: scope.to_owned(),
            scopes: polis.scopes.names().into_iter().map(counted).collect(),
            kept: polis.store.size().0,
        }
    }
}

/// The name of a scope.
#[derive(Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    scope: String,
}

fn chosen(scope: &str) -> Redirect {
    match scope {
        "" => Redirect::to("/"),
        name => Redirect::to(&format!("/?scope={name}")),
    }
}

pub(super) async fn add(
    State(shared): State<Shared>,
    Form(named): Form<Named>,
) -> Result<Redirect, ApiError> {
    scope::check(&named.scope).map_err(ApiError::Query)?;
    let added = shared.polis.scopes.find_or_add(&named.scope);
    added.ok_or_else(|| {
        ApiError::Conflict(format!("there are {SCOPES} scopes; remove one first"))
    })?;
    Ok(chosen(&named.scope))
}

pub(super) async fn remove(state: State<Shared>, name: Path<String>) -> Response {
    match scopes::remove(state, name).await {
        Ok(_) => chosen("").into_response(),
        Err(error) => error.into_response(),
    }
}

/// Sends an event like a provider's to the scope, signed with its first secret.
pub(super) async fn example(
    State(shared): State<Shared>,
    Form(named): Form<Named>,
) -> Result<Redirect, ApiError> {
    let name = match named.scope.as_str() {
        "" => DEFAULT,
        name => name,
    };
    let scope = shared.polis.scopes.find(name);
    let scope = scope.ok_or_else(|| ApiError::NoScope(name.to_owned()))?;
    let signer = Signer::of(&scope);
    let (request, base) = request(&shared, name, signer.as_ref()).map_err(ApiError::Upstream)?;
    let sent = shared.polis.outbound.send(&base, request, Reach::Anywhere);
    sent.await
        .map_err(|error| ApiError::Upstream(error.to_string()))?;
    Ok(chosen(&named.scope))
}

fn request(
    shared: &Shared,
    scope: &str,
    signer: Option<&Signer>,
) -> Result<(Outgoing, url::Url), String> {
    let preset = signer.map_or(Preset::Standard, |signer| signer.preset);
    let (id, at) = (uuid::Uuid::now_v7().to_string(), Timestamp::now());
    let happened = Happened {
        id: &id,
        kind: None,
        data: None,
        at,
    };
    let payload = Payload::of(preset, &happened)?;
    let base: url::Url = (shared.polis.capture_url().parse())
        .map_err(|error| format!("polis does not know its URL: {error}"))?;
    let path = match scope {
        DEFAULT => "/hooks".to_owned(),
        name => format!("/in/{name}/hooks"),
    };
    let signed = signer.map_or(Ok(Vec::new()), |signer| {
        let to_sign = ToSign {
            id: &id,
            at,
            url: &format!("{}/hooks", shared.polis.scope_url(scope)),
            content_type: Some(payload.content_type),
            body: &payload.body,
        };
        sign(preset, &signer.secret, &to_sign).map_err(|error| error.to_string())
    })?;
    let own = [
        (
            "Host",
            &base[url::Position::BeforeHost..url::Position::AfterPort],
        ),
        ("User-Agent", concat!("polis/", env!("CARGO_PKG_VERSION"))),
        ("Content-Type", payload.content_type),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = own.into_iter().chain(payload.headers).chain(signed);
    let request = Outgoing {
        method: "POST".to_owned(),
        target: path.into_bytes(),
        headers: headers
            .map(|(name, value)| (name, value.into_bytes()))
            .collect(),
        body: payload.body.into(),
    };
    Ok((request, base))
}
