//! The due loop: sleeps until a retry or lane is due, then has the writer load it. The hot path does not go
//! through here.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::Shared;
use crate::store::{
    ask::{Ask, NextDue},
    error::StoreError,
};

/// The longest sleep: how often retention runs.
const SLEEP_MAX_MS: i64 = 30_000;
/// The wait after the store refused a scan.
const REFUSED_WAIT_MS: i64 = 1_000;
/// The wait when every place for probes is taken.
const PLACES_WAIT_MS: i64 = 100;
/// The wait, in real time, between two scans if the first could not take everything that is due: it leaves the
/// writer to those who send. After a restart a thousand dead endpoints can be due at once: if only such are left,
/// the next scan waits as long once more for a commit of others.
const PACE: Duration = Duration::from_millis(5);

/// Runs until the engine stops.
pub(crate) async fn run_due_loop(weak: Weak<Shared>) {
    let mut maintenance_at = i64::MIN;
    let mut only_in_trouble = false;
    loop {
        let Some(shared) = weak.upgrade() else { return };
        if shared.is_stopping() {
            return;
        }
        shared.due.begin();
        let probes = shared.places.free_probes();
        let scan = |reply| Ask::Scan(probes, reply);
        let next: Result<NextDue, StoreError> = if only_in_trouble {
            shared.queue.ask_lazily(PACE, scan).await
        } else {
            shared.queue.ask(scan).await
        };
        let now = shared.timeline.now();
        only_in_trouble = false;
        match next.map(|next| (next.first(), next.healthy)) {
            Ok((Some(at), _)) if at <= now && shared.places.free_probes() == 0 => {
                shared.due_by(now + PLACES_WAIT_MS);
            }
            Ok((Some(at), healthy)) => {
                shared.due_by(at);
                if at <= now {
                    only_in_trouble = healthy.is_none_or(|at| at > now);
                    tokio::time::sleep(PACE).await;
                }
            }
            Ok((None, _)) => {}
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "due deliveries could not be read; trying again in a second");
                shared.due_by(now + REFUSED_WAIT_MS);
            }
        }
        if now >= maintenance_at {
            maintenance_at = match shared.queue.ask(Ask::Maintain).await {
                Ok(true) => now,
                Ok(false) => now + SLEEP_MAX_MS,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(%error, "maintenance failed; trying again in a second");
                    now + REFUSED_WAIT_MS
                }
            };
            shared.due_by(maintenance_at);
        }
        sleep(&shared).await;
    }
}

/// Sleeps until something is due, at most [`SLEEP_MAX_MS`].
async fn sleep(shared: &Arc<Shared>) {
    let end = shared.timeline.now() + SLEEP_MAX_MS;
    loop {
        let sooner = shared.due.sooner();
        let until = shared.due.at().min(end);
        if until <= shared.timeline.now() || shared.is_stopping() {
            return;
        }
        tokio::select! {
            () = shared.timeline.sleep_until(until) => {}
            () = sooner => {}
        }
    }
}
