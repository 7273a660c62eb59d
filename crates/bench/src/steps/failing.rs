//! An endpoint that answers some of its requests with 503: how much gets through.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::Step;
use crate::{
    event::event,
    load::{AHEAD, Store, add_endpoint},
    receiver::now_ns,
    receiver_process::ReceiverClient,
};

/// The number of callers of `send`.
const CALLERS: usize = 64;

/// Sends as fast as requests arrive, however they are answered.
#[derive(Serialize, Deserialize)]
pub(crate) struct Failing {
    pub(crate) store: Store,
    pub(crate) port: u16,
    /// How many requests in a hundred are answered with 503.
    pub(crate) percent: u64,
    pub(crate) time: Duration,
}

/// What got through.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GotThrough {
    /// Events a second that were answered with a 2xx.
    pub(crate) per_second: f64,
    pub(crate) requests: u64,
    pub(crate) delivered: u64,
    /// Events that were sent, and are neither delivered nor pending.
    pub(crate) lost: u64,
}

impl Step for Failing {
    const NAME: &str = "failing";
    type Outcome = GotThrough;

    async fn run(self) -> anyhow::Result<GotThrough> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let webhooks = self.store.open().await?;
        let url = receiver.url(&format!("flaky/{}", self.percent));
        add_endpoint(&webhooks, "flaky", url).await?;
        let (next, arrived) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let stop = Arc::<AtomicBool>::default();
        let started = Instant::now();
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS {
            let webhooks = webhooks.clone();
            let (next, arrived) = (Arc::clone(&next), Arc::clone(&arrived));
            let stop = Arc::clone(&stop);
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let sent = next.load(Ordering::Relaxed);
                    if sent > arrived.load(Ordering::Relaxed) + AHEAD {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    webhooks.send("flaky", event(number, now_ns())).await?;
                }
                anyhow::Ok(())
            });
        }
        while started.elapsed() < self.time {
            tokio::time::sleep(Duration::from_millis(5)).await;
            arrived.store(receiver.count().await?, Ordering::Relaxed);
        }
        let elapsed = started.elapsed();
        let report = receiver.report().await?;
        stop.store(true, Ordering::Relaxed);
        while let Some(done) = callers.join_next().await {
            done??;
        }
        let sent = next.load(Ordering::Relaxed);
        let owed = webhooks.shutdown(Duration::from_secs(5)).await.deliveries;
        let at_end = receiver.report().await?.distinct;
        Ok(GotThrough {
            per_second: report.distinct as f64 / elapsed.as_secs_f64(),
            requests: report.requests,
            delivered: report.distinct,
            lost: sent.saturating_sub(at_end + owed),
        })
    }
}
