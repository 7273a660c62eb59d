//! `send` and `send_all` alone: nothing is delivered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use webhooks_core::Webhooks;

use super::Step;
use crate::{
    event::event,
    load::{Store, add_endpoint},
    receiver::now_ns,
};

/// The recipient of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// A customer without an endpoint: an event is stored.
    Nobody,
    /// A customer whose endpoint is paused: an event and a delivery are stored.
    Paused,
}

/// Callers that store events, each as fast as it gets its answers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Storing {
    pub(crate) store: Store,
    pub(crate) target: Target,
    pub(crate) callers: usize,
    /// Events per call: 1 means `send`, more means `send_all`.
    pub(crate) batch: u64,
    pub(crate) time: Duration,
}

impl Step for Storing {
    const NAME: &str = "storing";
    /// Events stored a second.
    type Outcome = f64;

    async fn run(self) -> anyhow::Result<f64> {
        const CUSTOMER: &str = "acme";
        let webhooks = self.store.open().await?;
        if self.target == Target::Paused {
            let url = "http://127.0.0.1:9/paused".to_owned();
            let id = add_endpoint(&webhooks, CUSTOMER, url).await?;
            webhooks.endpoints(CUSTOMER).pause(&id).await?;
        }
        let stored = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let end = started + self.time;
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..self.callers {
            let (webhooks, stored, batch) = (webhooks.clone(), Arc::clone(&stored), self.batch);
            callers.spawn(async move {
                while Instant::now() < end {
                    store(&webhooks, CUSTOMER, batch).await?;
                    stored.fetch_add(batch, Ordering::Relaxed);
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = callers.join_next().await {
            done??;
        }
        let per_second = stored.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
        webhooks.shutdown(Duration::from_secs(5)).await;
        Ok(per_second)
    }
}

async fn store(webhooks: &Webhooks, customer: &str, batch: u64) -> anyhow::Result<()> {
    if batch == 1 {
        webhooks.send(customer, event(0, now_ns())).await?;
    } else {
        let events = (0..batch).map(|number| event(number, now_ns()));
        webhooks.send_all(customer, events).await?;
    }
    Ok(())
}
