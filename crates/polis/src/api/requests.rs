//! Lists, details and bodies of captured requests.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, header},
    response::IntoResponse,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Captured, Shared,
    error::ApiError,
    query::{Query, given},
};
use crate::{record::Record, store::Fallen};

/// Requests on one page of a list.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// One page of a list, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    /// Summaries.
    pub requests: Vec<Captured>,
    /// Give it as `cursor` to read on; null at the end.
    pub next_cursor: Option<String>,
    /// Requests that are kept now.
    pub kept: usize,
    /// Bytes of memory they hold.
    pub kept_bytes: usize,
    /// What fell out since the start.
    pub fell_out: Fallen,
}

/// How many requests were removed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Removed {
    /// Requests.
    pub removed: usize,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<Json<Page>, ApiError> {
    query.check_scope(&shared, &headers)?;
    let filter = query.filter()?;
    let limit = Query::number(&query.limit, "limit", PAGE, LARGEST_PAGE)?;
    let before: Option<u64> = given(&query.cursor)
        .map(|cursor| {
            cursor
                .parse()
                .map_err(|_| ApiError::Query(format!("cursor is {cursor:?}; use next_cursor")))
        })
        .transpose()?;
    let token = query.token(&headers).map(str::to_owned);
    let searched = shared.clone();
    // A search reads up to all bytes that are kept: not on a thread that answers senders.
    let mut found = tokio::task::spawn_blocking(move || {
        searched
            .polis
            .admitted(token.as_deref())
            .filter(|record| before.is_none_or(|before| record.id < before))
            .filter(|record| filter.wants(record))
            .take(limit + 1)
            .collect::<Vec<_>>()
    })
    .await
    .map_err(|error| ApiError::Upstream(format!("the search ended: {error}")))?;
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

/// The record, when it is kept and the reader may see it.
pub(crate) fn visible(
    shared: &Shared,
    id: u64,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Arc<Record>, ApiError> {
    let record = shared.polis.store.get(id).ok_or(ApiError::NoRequest(id))?;
    if shared.polis.admits(&record, query.token(headers)) {
        Ok(record)
    } else {
        Err(ApiError::Token(record.scope.to_string()))
    }
}

pub(super) async fn one(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<Json<Captured>, ApiError> {
    let record = visible(&shared, id, &query, &headers)?;
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
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let record = visible(&shared, id, &query, &headers)?;
    Ok(harmless(record.body.clone()))
}

pub(super) async fn answer_body(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let record = visible(&shared, id, &query, &headers)?;
    let body = record.answer().map(|answer| answer.body.clone());
    Ok(harmless(body.unwrap_or_default()))
}

/// Captured bytes, so that no browser runs them whatever they are.
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

pub(super) async fn remove_one(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<Json<Removed>, ApiError> {
    visible(&shared, id, &query, &headers)?;
    let removed = shared.polis.store.remove(vec![id]).await;
    Ok(Json(Removed { removed }))
}

pub(crate) async fn remove_all(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Result<Json<Removed>, ApiError> {
    query.check_scope(&shared, &headers)?;
    let filter = query.filter()?;
    let token = query.token(&headers).map(str::to_owned);
    let searched = shared.clone();
    let ids = tokio::task::spawn_blocking(move || {
        searched
            .polis
            .admitted(token.as_deref())
            .filter(|record| filter.wants(record))
            .map(|record| record.id)
            .collect::<Vec<_>>()
    })
    .await
    .map_err(|error| ApiError::Upstream(format!("the search ended: {error}")))?;
    let removed = shared.polis.store.remove(ids).await;
    Ok(Json(Removed { removed }))
}
