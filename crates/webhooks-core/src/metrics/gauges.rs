//! Figures that are looked up now and then.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use ::metrics::{Unit, describe_gauge, gauge};
use rusqlite::Connection;

use super::emitted;
use crate::{
    clock::millis,
    engine::Shared,
    store::{error::StoreError, sqlite::read::Readers},
};

const PENDING: &str = "webhooks_pending";
const OLDEST_PENDING: &str = "webhooks_oldest_pending_seconds";
const ENDPOINTS_IN_TROUBLE: &str = "webhooks_endpoints_in_trouble";

/// How often they are looked up: as often as they are usually scraped.
const LOOK_WAIT: Duration = Duration::from_secs(15);
/// A look reads everything that is pending. It may take this share of one processor: one of so many.
const LOOK_SHARE: u32 = 100;

struct Looked {
    pending: u32,
    oldest_at: Option<i64>,
    in_trouble: u32,
}

/// Keeps the gauges until the engine stops. Call it within a tokio runtime.
pub(crate) fn watch(shared: &Arc<Shared>, readers: &Arc<Readers>) {
    emitted::describe();
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Deliveries that are stored and not done."
    );
    describe_gauge!(
        OLDEST_PENDING,
        Unit::Seconds,
        "Since when the oldest delivery is pending; 0 without one."
    );
    describe_gauge!(
        ENDPOINTS_IN_TROUBLE,
        Unit::Count,
        "Endpoints whose deliveries wait because they fail."
    );
    tokio::spawn(keep(Arc::downgrade(shared), Arc::downgrade(readers)));
}

async fn keep(shared: Weak<Shared>, readers: Weak<Readers>) {
    loop {
        let (Some(shared), Some(readers)) = (shared.upgrade(), readers.upgrade()) else {
            return;
        };
        let started = Instant::now();
        match readers.read(&shared, look).await {
            Ok(looked) => looked.publish(shared.timeline.now()),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::debug!(%error, "the gauges could not be looked up"),
        }
        drop(readers);
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

fn look(connection: &Connection) -> Result<Looked, StoreError> {
    let (pending, oldest_at) = connection
        .prepare_cached("select count(*), min(owed_at) from webhooks_delivery")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let in_trouble = connection
        .prepare_cached("select count(*) from webhooks_lane where failures > 0")?
        .query_row([], |row| row.get(0))?;
    Ok(Looked {
        pending,
        oldest_at,
        in_trouble,
    })
}

impl Looked {
    fn publish(&self, now: i64) {
        let age = self.oldest_at.map_or(0, |at| now.saturating_sub(at).max(0));
        gauge!(PENDING).set(self.pending);
        gauge!(OLDEST_PENDING).set(Duration::from_millis(age.unsigned_abs()));
        gauge!(ENDPOINTS_IN_TROUBLE).set(self.in_trouble);
    }
}
