//! Taking requests out as a HAR file, and in from a file of a form.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Query as Params, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use futures_util::stream;

use super::{multipart, view::refused};
use crate::{
    api::{Captured, Shared, import, query::Query},
    har,
    redact::Redactor,
};

pub(super) async fn export(State(shared): State<Shared>, Params(query): Params<Query>) -> Response {
    let found = match query.filter() {
        Ok(filter) => shared.search(filter, None, usize::MAX).await,
        Err(error) => Err(error),
    };
    let records = match found {
        Ok(found) => found.into_iter().rev(),
        Err(error) => return error.into_response(),
    };
    let shown = query.redactor(&shared).is_none();
    let redactor = Arc::clone(&shared.polis.redactor);
    let entries = records.enumerate().map(move |(index, record)| {
        let redactor: Option<&Redactor> = if shown { None } else { Some(&redactor) };
        let entry = har::entry(&Captured::with_body(&record, redactor)).to_string();
        Bytes::from(if index == 0 {
            entry
        } else {
            format!(",{entry}")
        })
    });
    let whole = std::iter::once(Bytes::from_static(har::BEGIN.as_bytes()))
        .chain(entries)
        .chain([Bytes::from_static(har::END.as_bytes())])
        .map(Ok::<_, std::convert::Infallible>);
    let as_file = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"polis.har\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (as_file, Body::from_stream(stream::iter(whole))).into_response()
}

/// Takes the file of a form (multipart), or the file itself as the body.
pub(super) async fn import(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let parts = multipart::parts(kind, &body);
    let file = parts.first().map_or(&body[..], |part| part.body);
    match import::take_in(&shared, file).await {
        Ok(done) => {
            let (imported, known) = (done.imported, done.already_kept);
            Redirect::to(&format!("/?imported={imported}&known={known}")).into_response()
        }
        Err(error) => refused(shared, headers, format!("Not imported: {error}")).await,
    }
}
