//! Notices promptly when the wall clock is set, even while nothing else happens.

use std::sync::Weak;

use super::Shared;
use crate::store::{ask::Ask, error::StoreError};

/// How often the wall clock is checked. If the process ends before a jump is stored, the jump is taken for time
/// that passed, and retries would be made early.
const LOOK_EVERY_MS: i64 = 1_000;

/// Runs until the engine stops. Every commit stores a jump that was noticed; this triggers one.
pub(crate) async fn watch_clock(weak: Weak<Shared>) {
    loop {
        let Some(shared) = weak.upgrade() else { return };
        let stopped = shared.stopped.notified();
        if shared.is_stopping() {
            return;
        }
        let at = shared.timeline.now() + LOOK_EVERY_MS;
        tokio::select! {
            () = shared.timeline.sleep_until(at) => {}
            () = stopped => return,
        }
        if shared.timeline.offset_to_store().is_some() {
            let commit: Result<(), StoreError> = shared.queue.ask(Ask::NoteClock).await;
            if let Err(error) = commit {
                tracing::warn!(%error, "the clock's offset could not be stored; trying again in a second");
            }
        }
    }
}
