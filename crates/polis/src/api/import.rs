//! Imports requests from a HAR file or from polis's own log.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{error::ApiError, shared::Shared};
use crate::{
    import,
    record::Record,
    rediagnosis::diagnosed,
    scope::{self, SCOPES},
};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Imported {
    pub(crate) imported: usize,
    pub(crate) already_kept: usize,
    pub(crate) scopes: BTreeSet<String>,
}

pub(super) async fn import(
    State(shared): State<Shared>,
    body: Bytes,
) -> Result<Json<Imported>, ApiError> {
    take_in(&shared, &body).await.map(Json)
}

/// Keeps the requests of the file, each in its own scope and checked as the scope says; requests
/// that are already kept are skipped.
pub(crate) async fn take_in(shared: &Shared, file: &[u8]) -> Result<Imported, ApiError> {
    let records = import::read(file).map_err(|reason| ApiError::Invalid(vec![reason]))?;
    let polis = &shared.polis;
    // All or nothing: all scopes are checked before the first request is kept.
    let named: BTreeSet<String> = records.iter().map(|r| r.scope.to_string()).collect();
    for name in &named {
        scope::check(name).map_err(ApiError::Query)?;
        polis.scopes.find_or_add(name).ok_or_else(|| {
            ApiError::Conflict(format!(
                "there are {SCOPES} scopes, the most that polis keeps; delete one first"
            ))
        })?;
    }
    let mut done = Imported {
        imported: 0,
        already_kept: 0,
        scopes: BTreeSet::new(),
    };
    let kept = polis.store.newest_first();
    let known = Known::of(&kept);
    for mut record in records {
        if known.has(&record) {
            done.already_kept += 1;
            continue;
        }
        let Some(scope) = polis.scopes.find(&record.scope) else {
            continue;
        };
        record.diagnosis = diagnosed(polis, &scope, &record).or(record.diagnosis);
        record.id = polis.store.next_id();
        done.imported += 1;
        done.scopes.insert(record.scope.to_string());
        let capacity = scope.settings().capacity;
        polis.store.insert(&Arc::new(record), capacity).await;
    }
    Ok(done)
}

/// What identifies a request: its number or its content, and when it came.
struct Known<'a>(BTreeSet<(i64, &'a str, Mark<'a>)>);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mark<'a> {
    Id(u64),
    Content(&'a [u8], &'a [u8]),
}

impl<'a> Known<'a> {
    fn of(kept: &'a [Arc<Record>]) -> Self {
        Self(kept.iter().flat_map(|record| marks(record)).collect())
    }

    fn has(&self, record: &Record) -> bool {
        marks(record).iter().any(|mark| self.0.contains(mark))
    }
}

/// An export may have redacted the content, and another polis numbers differently, so a match of
/// either is enough.
fn marks(record: &Record) -> [(i64, &str, Mark<'_>); 2] {
    let target = record.head.as_ref().map(|head| head.target());
    let content = Mark::Content(target.unwrap_or_default(), &record.body);
    [Mark::Id(record.id), content]
        .map(|mark| (record.received_at.as_millisecond(), record.method(), mark))
}
