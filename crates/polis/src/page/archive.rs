//! Exporting requests as a HAR file, and importing them from a form's file.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query as Params, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use futures_util::stream;

use super::{multipart, view::refused};
use crate::{
    api::{import, query::Query, shared::Shared},
    captured::Captured,
    har,
    record::Record,
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
    archive(&shared, &query, records, "polis.har")
}

pub(super) async fn export_one(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
) -> Response {
    match shared.record(id) {
        Ok(record) => archive(&shared, &query, [record].into_iter(), "request.har"),
        Err(error) => error.into_response(),
    }
}

fn archive(
    shared: &Shared,
    query: &Query,
    records: impl Iterator<Item = Arc<Record>> + Send + 'static,
    name: &str,
) -> Response {
    let redactor: Option<Arc<Redactor>> =
        (query.redactor(shared).is_some()).then(|| Arc::clone(&shared.polis.redactor));
    let entries = records.enumerate().map(move |(index, record)| {
        let entry = har::entry(&Captured::with_body(&record, redactor.as_deref()));
        let comma = if index == 0 { "" } else { "," };
        Bytes::from(format!("{comma}{entry}"))
    });
    let whole = std::iter::once(Bytes::from_static(har::BEGIN.as_bytes()))
        .chain(entries)
        .chain([Bytes::from_static(har::END.as_bytes())])
        .map(Ok::<_, std::convert::Infallible>);
    let as_file = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
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
