//! Waits for requests: for tests and CI.

use std::time::Duration;

use axum::{
    Json,
    extract::{Query as Params, State},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    error::ApiError,
    query::{Query, given},
    shared::Shared,
};
use crate::captured::Captured;

/// More requests than anybody waits for by hand.
const COUNT: usize = 10_000;
const TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two checks, so that waiting costs little while requests pour in.
const PAUSE: Duration = Duration::from_millis(5);
/// Longer than a test should take, and short enough that a client that is gone is soon forgotten.
const LONGEST: Duration = Duration::from_secs(600);

/// Whether they came, and which ones.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waited {
    pub(crate) complete: bool,
    pub(crate) count: usize,
    pub(crate) requests: Vec<Captured>,
}

pub(super) async fn wait(
    State(shared): State<Shared>,
    Params(query): Params<Query>,
) -> Result<Json<Waited>, ApiError> {
    let filter = query.filter()?;
    let count = Query::number(&query.count, "count", 1, COUNT)?;
    let limit = match given(&query.timeout) {
        None => TIMEOUT,
        Some(text) => span(text)?,
    };
    let found = || {
        let mut found: Vec<_> = shared
            .polis
            .store
            .newest_first()
            .into_iter()
            .rev()
            .filter(|record| filter.wants(record))
            .take(count)
            .collect();
        found.shrink_to_fit();
        found
    };
    let mut changed = shared.polis.store.watch();
    let mut stop = shared.stop.clone();
    let waiting = async {
        loop {
            changed.borrow_and_update();
            if found().len() >= count || changed.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        // Whether the time ran out or not, what came is counted below.
        _ = timeout(limit, waiting) => {}
    }
    let found = found();
    let redactor = query.redactor(&shared);
    Ok(Json(Waited {
        complete: found.len() >= count,
        count,
        requests: found
            .iter()
            .map(|record| Captured::summary(record, redactor))
            .collect(),
    }))
}

/// `10s`, `500ms`, `2m` or a number of seconds.
fn span(text: &str) -> Result<Duration, ApiError> {
    let (number, unit) = match text.find(|letter: char| letter.is_ascii_alphabetic()) {
        Some(position) => text.split_at(position),
        None => (text, "s"),
    };
    let factor = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => f64::NAN,
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number * factor)
        .filter(|seconds| (0.0..=LONGEST.as_secs_f64()).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| {
            ApiError::Query(format!(
                "timeout is {text:?}; write a time like 500ms, 10s or 2m, at most {} s",
                LONGEST.as_secs()
            ))
        })
}
