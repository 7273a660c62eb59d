//! Lists, details and bodies of captured requests.

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::header,
    response::IntoResponse,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    error::ApiError,
    query::{Query, given},
    shared::Shared,
};
use crate::{captured::Captured, store::Fallen};

/// Maximum number of requests on one page of a list.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// One page of a list, newest first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) requests: Vec<Captured>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) kept: usize,
    pub(crate) kept_bytes: usize,
    pub(crate) fell_out: Fallen,
}

/// How many requests were removed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Removed {
    pub(crate) removed: usize,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
) -> Result<Json<Page>, ApiError> {
    let filter = query.filter()?;
    let limit = Query::number(&query.limit, "limit", PAGE, LARGEST_PAGE)?;
    let before: Option<u64> = given(&query.cursor)
        .map(|cursor| {
            cursor
                .parse()
                .map_err(|_| ApiError::Query(format!("cursor is {cursor:?}; use next_cursor")))
        })
        .transpose()?;
    let mut found = shared.search(filter, before, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let redactor = query.redactor(&shared);
    let (kept, kept_bytes) = shared.polis.store.size();
    Ok(Json(Page {
        requests: found
            .iter()
            .map(|record| Captured::summary(record, redactor))
            .collect(),
        next_cursor,
        kept,
        kept_bytes,
        fell_out: shared.polis.store.fallen(),
    }))
}

pub(super) async fn one(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
) -> Result<Json<Captured>, ApiError> {
    let record = shared.record(id)?;
    let redactor = query.redactor(&shared);
    Ok(Json(if query.wants_body() {
        Captured::with_body(&record, redactor)
    } else {
        Captured::detail(&record, redactor)
    }))
}

pub(super) async fn body(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
) -> Result<impl IntoResponse, ApiError> {
    let record = shared.record(id)?;
    Ok(harmless(record.body.clone()))
}

pub(super) async fn answer_body(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
) -> Result<impl IntoResponse, ApiError> {
    let record = shared.record(id)?;
    let body = record.answer().map(|answer| answer.body.clone());
    Ok(harmless(body.unwrap_or_default()))
}

/// Captured bytes, sent so that no browser runs them, whatever they are.
fn harmless(bytes: Bytes) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/octet-stream"),
            (header::CONTENT_DISPOSITION, "attachment"),
            (
                header::CONTENT_SECURITY_POLICY,
                "sandbox; default-src 'none'",
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        bytes,
    )
}

pub(crate) async fn remove_one(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
) -> Result<Json<Removed>, ApiError> {
    shared.record(id)?;
    let removed = shared.polis.store.remove(vec![id]).await;
    Ok(Json(Removed { removed }))
}

pub(crate) async fn remove_all(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
) -> Result<Json<Removed>, ApiError> {
    let filter = query.filter()?;
    let found = shared.search(filter, None, usize::MAX).await?;
    let ids = found.iter().map(|record| record.id).collect();
    let removed = shared.polis.store.remove(ids).await;
    Ok(Json(Removed { removed }))
}
