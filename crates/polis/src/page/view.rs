//! Assembles the page: the list and, next to it, one request.

use std::sync::Arc;

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query as Params, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};

use serde::Deserialize;

use super::{
    bar::Bar,
    detail::Detail,
    filters::Filters,
    list::Row,
    live::{self, Known},
    send_form::Answered,
};
use crate::{
    api::{
        query::{Query, given},
        requests,
        shared::Shared,
    },
    record::Record,
    store::ChangeKind,
};

/// Maximum number of requests on the page; older ones are found by searching.
const SHOWN: usize = 200;
/// The size limit of a note, which is a sentence or two.
const COMMENT_CHARS_MAX: usize = 2000;

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    pages: Vec<serve::PageLink>,
    filters: Filters,
    /// Ids, each with its row unless the asking page has it already.
    rows: Vec<(u64, Option<Row>)>,
    more: bool,
    /// How many of those that match the filters are shown.
    shown: usize,
    kept: usize,
    fell_out: u64,
    bar: Bar,
    selected: u64,
    detail: Option<Detail>,
    /// Whether the asking page has the detail already.
    has_detail: bool,
    problem: String,
    /// What was done; empty if nothing.
    notice: String,
    /// The newest change that the page knows: the live stream continues from it.
    change: String,
}

/// A page, or the reason why there is none.
pub(super) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(page) => ([(header::CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) async fn page(
    shared: Shared,
    query: Query,
    headers: HeaderMap,
    shown: Option<(u64, Option<Shown>)>,
) -> Response {
    // A search reads all kept bytes, so it does not run on a thread that answers senders.
    let building = tokio::task::spawn_blocking(move || build(&shared, &query, &headers, shown));
    match building.await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "the page could not be assembled");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What is shown next to a request.
pub(super) enum Shown {
    With(Result<u64, String>),
    Replayed(Box<Answered>),
    Problem(String),
    Notice(String),
}

fn build(
    shared: &Shared,
    query: &Query,
    headers: &HeaderMap,
    shown: Option<(u64, Option<Shown>)>,
) -> Response {
    // Read before the records: a change between the two is reported twice rather than never.
    let change = live::newest(&shared.polis);
    let known = Known::of(&shared.polis, headers);
    let all: Vec<Arc<Record>> = shared.polis.store.newest_first();
    let redactor = &shared.polis.redactor;
    let mut problem = String::new();
    let mut notice = imported(query);
    let mut found: Vec<&Arc<Record>> = match query.filter() {
        Ok(filter) => all
            .iter()
            .filter(|record| filter.wants(record))
            .take(SHOWN + 1)
            .collect(),
        Err(error) => {
            problem = error.to_string();
            Vec::new()
        }
    };
    let more = found.len() > SHOWN;
    found.truncate(SHOWN);
    let (selected, extra) = shown.map_or((0, None), |(id, extra)| (id, extra));
    let mut status = StatusCode::OK;
    let mut has_detail = false;
    let detail = if selected == 0 {
        if let Some(Shown::Problem(reason)) = extra {
            problem = reason;
            status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        None
    } else {
        match shared.record(selected) {
            Ok(record) if known.has_detail(&shared.polis, &record) => {
                has_detail = true;
                None
            }
            Ok(record) => {
                let mut detail = Detail::of(shared, &record, &all, given(&query.tab));
                match extra {
                    Some(Shown::With(Ok(other))) => match shared.record(other) {
                        Ok(other) => detail.compare(shared, &record, &other),
                        Err(error) => problem = error.to_string(),
                    },
                    Some(Shown::With(Err(reason)) | Shown::Problem(reason)) => problem = reason,
                    Some(Shown::Replayed(answered)) => detail.sent(*answered),
                    Some(Shown::Notice(done)) => notice = done,
                    None => {}
                }
                Some(detail)
            }
            Err(error) => {
                problem = error.to_string();
                status = StatusCode::NOT_FOUND;
                None
            }
        }
    };
    let (kept, _) = shared.polis.store.size();
    let template = Page {
        pages: shared.polis.pages.seen_from("polis"),
        filters: Filters::of(query),
        shown: found.len(),
        rows: found
            .into_iter()
            .map(|record| {
                let row = (!known.has_row(record)).then(|| Row::of(record, redactor));
                (record.id, row)
            })
            .collect(),
        more,
        kept,
        fell_out: shared.polis.store.fallen().requests,
        bar: Bar::of(shared, given(&query.scope).unwrap_or_default()),
        selected,
        detail,
        has_detail,
        problem,
        notice,
        change,
    };
    (status, html(&template)).into_response()
}

/// What an import did; only numbers, because anybody can write a link.
fn imported(query: &Query) -> String {
    let number = |field| given(field).and_then(|text| text.parse::<usize>().ok());
    let Some(count) = number(&query.imported) else {
        return String::new();
    };
    let requests = |count| match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    };
    match number(&query.known).unwrap_or_default() {
        0 => format!("Imported {}.", requests(count)),
        known => format!(
            "Imported {}; {} in the file were already kept.",
            requests(count),
            requests(known)
        ),
    }
}

/// The list, with the reason why a request was refused.
pub(super) async fn refused(shared: Shared, headers: HeaderMap, reason: String) -> Response {
    let shown = Some((0, Some(Shown::Problem(reason))));
    page(shared, Query::default(), headers, shown).await
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Response {
    page(shared, query, headers, None).await
}

pub(super) async fn request(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
) -> Response {
    let with = given(&query.with).map(|text| {
        text.trim()
            .trim_start_matches('#')
            .parse::<u64>()
            .map_err(|_| format!("{text:?} is not a request number; give one like 17"))
    });
    let extra = with.map(Shown::With);
    page(shared, query, headers, Some((id, extra))).await
}

/// Removes the requests that match the filters.
pub(super) async fn clear(State(shared): State<Shared>, Params(query): Params<Query>) -> Response {
    match requests::remove_all(State(shared), Params(query)).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => error.into_response(),
    }
}

pub(super) async fn delete(State(shared): State<Shared>, Path(id): Path<u64>) -> Response {
    match requests::remove_one(State(shared), Path(id)).await {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => error.into_response(),
    }
}

/// A person's note about a request.
#[derive(Deserialize)]
pub(super) struct Comment {
    comment: String,
}

pub(super) async fn comment(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Params(query): Params<Query>,
    headers: HeaderMap,
    Form(form): Form<Comment>,
) -> Response {
    let text: String = form
        .comment
        .trim()
        .chars()
        .take(COMMENT_CHARS_MAX)
        .collect();
    let change = |record: &mut Record| record.comment = text;
    let store = &shared.polis.store;
    let done = match store.changed(id, ChangeKind::Commented, change).await {
        true => Shown::Notice("The note is saved with the request.".to_owned()),
        false => Shown::Problem(format!("there is no request #{id}")),
    };
    page(shared, query, headers, Some((id, Some(done)))).await
}
