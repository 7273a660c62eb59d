//! "Send again" on the page: reads the form into a replay, and shows it again with the outcome.

use axum::{
    Form, Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
    response::Response,
};

use super::{
    send_form::{Answered, ReplayForm, editable},
    view::{Shown, page},
};
use crate::{
    api::{query::Query, replay, shared::Shared},
    resend::broken_signature,
};

pub(super) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Form(form): Form<ReplayForm>,
) -> Response {
    let record = shared.record(id).ok();
    let shown = record
        .as_ref()
        .and_then(|record| editable(record, &shared.polis.redactor));
    let wanted = form.read(shown.as_deref());
    let broken = match (&record, &wanted) {
        (Some(record), Ok(wanted)) if !wanted.resign => broken_signature(record, &wanted.set),
        _ => None,
    };
    let warning = broken.map_or_else(String::new, |preset| {
        format!(
            "The {preset} signature is for the body before the change. Re-sign it, or it fails."
        )
    });
    let outcome = match wanted {
        Err(reason) => Err(reason),
        Ok(wanted) => replay::replay(State(shared.clone()), Path(id), Json(wanted))
            .await
            .map(|Json(replayed)| replayed)
            .map_err(|error| error.to_string()),
    };
    let answered = Answered {
        form,
        outcome,
        warning,
    };
    let shown = Some((id, Some(Shown::Replayed(Box::new(answered)))));
    page(shared, query, headers, shown).await
}
