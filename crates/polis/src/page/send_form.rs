//! "Send again": its fields, read into a replay and shown again with what came of it.

use axum::{
    Form, Json,
    extract::{Path, Query as Params, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    detail::editable,
    view::{Shown, page},
};
use crate::{
    api::{Replay, Replayed, Shared, query::Query, replay, requests::visible},
    edit::{self, Edits},
    resend::broken_signature,
};

/// What was sent again and what came of it.
pub(super) struct Answered {
    /// What the fields held; they keep it.
    pub(super) form: ReplayForm,
    pub(super) outcome: Result<Replayed, String>,
    /// What the receiver will make of it, or empty.
    pub(super) warning: String,
}

/// The fields of "send again".
#[derive(Deserialize)]
pub(super) struct ReplayForm {
    pub(super) to: String,
    /// A line each: `body.data=1`, `header.X-Name=value`, `header.X-Name=` to take it away.
    #[serde(default)]
    pub(super) set: String,
    /// The whole body, when it could be shown as text.
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) resign: Option<String>,
}

impl ReplayForm {
    /// `shown` is the body as the form showed it. A browser sends CR LF for every line end, so
    /// a body counts as edited only when more than that differs.
    fn read(&self, shown: Option<&str>) -> Result<Replay, String> {
        let mut set = Edits::new();
        if let (Some(body), Some(shown)) = (&self.body, shown) {
            let body = body.replace("\r\n", "\n");
            if body != shown.replace("\r\n", "\n") {
                let body = if shown.contains("\r\n") {
                    body.replace('\n', "\r\n")
                } else {
                    body
                };
                let body =
                    serde_json::value::to_raw_value(&body).map_err(|error| error.to_string())?;
                set.insert("body".to_owned(), body);
            }
        }
        for line in self
            .set
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let (name, value) = edit::typed(line)?;
            set.insert(name, value);
        }
        Ok(Replay {
            to: self.to.clone(),
            set,
            resign: self.resign.is_some(),
        })
    }
}

pub(super) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Form(form): Form<ReplayForm>,
) -> Response {
    let record = visible(&shared, id, &query, &headers).ok();
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
            "The {preset} signature is of the body before the change. Sign it anew, or it fails."
        )
    });
    let outcome = match wanted {
        Err(reason) => Err(reason),
        Ok(wanted) => replay::replay(
            State(shared.clone()),
            Path(id),
            Params(query.clone()),
            headers.clone(),
            Json(wanted),
        )
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
