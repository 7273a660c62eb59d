//! Gauges, which are read from the store from time to time.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use ::metrics::{Unit, describe_gauge, gauge};

use super::emitted;
use crate::{
    clock::millis,
    engine::Shared,
    model::gauges::Gauges,
    store::{Store, error::StoreError},
};

const PENDING: &str = "webhooks_pending";
const OLDEST_PENDING: &str = "webhooks_oldest_pending_seconds";
const ENDPOINTS_IN_TROUBLE: &str = "webhooks_endpoints_in_trouble";

/// How often the gauges are read: about as often as they are usually scraped.
const LOOK_WAIT: Duration = Duration::from_secs(15);
/// Reading the gauges reads everything that is pending. It may take at most one in this many parts of a
/// processor's time.
const LOOK_SHARE: u32 = 100;

/// Updates the gauges until the engine stops. Call it within a tokio runtime.
pub(crate) fn watch(shared: &Arc<Shared>, store: &Arc<Store>) {
    emitted::describe();
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Pending deliveries: stored and not finished."
    );
    describe_gauge!(
        OLDEST_PENDING,
        Unit::Seconds,
        "The age of the oldest pending delivery; 0 if there is none."
    );
    describe_gauge!(
        ENDPOINTS_IN_TROUBLE,
        Unit::Count,
        "Endpoints in trouble: their deliveries wait because they keep failing."
    );
    tokio::spawn(keep(Arc::downgrade(shared), Arc::downgrade(store)));
}

async fn keep(shared: Weak<Shared>, store: Weak<Store>) {
    loop {
        let (Some(shared), Some(store)) = (shared.upgrade(), store.upgrade()) else {
            return;
        };
        let started = Instant::now();
        match store.gauges().await {
            Ok(gauges) => publish(&gauges, shared.timeline.now()),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::debug!(%error, "the gauges could not be read"),
        }
        drop(store);
        let wait = LOOK_WAIT.max(started.elapsed() * LOOK_SHARE);
        let until = shared.timeline.now().saturating_add(millis(wait));
        let stopped = shared.stopped.notified();
        if shared.is_stopping() {
            return;
        }
        tokio::select! {
            () = shared.timeline.sleep_until(until) => {}
            () = stopped => return,
        }
    }
}

fn publish(gauges: &Gauges, now: i64) {
    let age = gauges
        .oldest_at
        .map_or(0, |at| now.saturating_sub(at).max(0));
    gauge!(PENDING).set(gauges.pending);
    gauge!(OLDEST_PENDING).set(Duration::from_millis(age.unsigned_abs()));
    gauge!(ENDPOINTS_IN_TROUBLE).set(gauges.in_trouble);
}
