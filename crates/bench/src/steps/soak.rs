//! A steady load for minutes, of every kind that leaves dead rows behind.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use webhooks_core::NewEndpoint;

use super::Step;
use crate::{
    load::{Latencies, Store, add_endpoint, open_loop},
    receiver_process::ReceiverClient,
};

/// How long the remaining deliveries may take after the last event.
const END_LIMIT: Duration = Duration::from_secs(120);

/// Sends `per_second` events a second for `time`: eight in ten to an endpoint that accepts
/// everything, one to an ordered endpoint, and one to an endpoint that answers every fifth request
/// with 503.
#[derive(Serialize, Deserialize)]
pub(crate) struct Soak {
    pub(crate) store: Store,
    pub(crate) port: u16,
    pub(crate) per_second: u64,
    pub(crate) time: Duration,
}

/// The result of the load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Soaked {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    /// Requests that were answered with 503.
    pub(crate) failed: u64,
    /// Events that had arrived by the time the last one was sent.
    pub(crate) in_time: u64,
    /// Those of the first endpoint's events.
    pub(crate) latencies: Latencies,
}

impl Step for Soak {
    const NAME: &str = "soak";
    type Outcome = Soaked;

    async fn run(self) -> anyhow::Result<Soaked> {
        let receiver = ReceiverClient::new(self.port)?;
        let webhooks = self.store.open().await?;
        add_endpoint(&webhooks, "steady", receiver.url("timed/steady")).await?;
        let ordered = NewEndpoint::new(receiver.url("ordered")).ordered(true);
        webhooks.endpoints("ordered").add(ordered).await?;
        let flaky_id = add_endpoint(&webhooks, "flaky", receiver.url("flaky/20")).await?;
        receiver.reset().await?;
        let owed_before = webhooks.pending().await?;
        let tenth = self.per_second / 10;
        let (steady, ordered, flaky) = tokio::try_join!(
            open_loop(&webhooks, "steady", self.per_second - 2 * tenth, self.time),
            open_loop(&webhooks, "ordered", tenth, self.time),
            open_loop(&webhooks, "flaky", tenth, self.time),
        )?;
        let in_time = receiver.report().await?.distinct;
        let sent = steady + ordered + flaky;
        // A few of the flaky endpoint's events are not tried for the third time until minutes
        // later: they may stay pending.
        let owed_max = owed_before + flaky / 10;
        let end = Instant::now() + END_LIMIT;
        let (report, owed) = loop {
            let owed = webhooks.pending().await?;
            if owed <= owed_max {
                let report = receiver.report().await?;
                if report.distinct + owed == sent + owed_before || Instant::now() >= end {
                    break (report, owed - owed_before);
                }
            }
            ensure!(
                Instant::now() < end,
                "{owed} deliveries are still pending after {END_LIMIT:?}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        // What is still pending for it must not arrive during the next measurement.
        webhooks.endpoints("flaky").remove(&flaky_id).await?;
        webhooks.shutdown(Duration::from_secs(5)).await;
        Ok(Soaked {
            sent,
            lost: sent.saturating_sub(report.distinct + owed),
            duplicates: report.duplicates,
            failed: report.requests - report.distinct - report.duplicates,
            in_time,
            latencies: Latencies::new(report.latencies_us),
        })
    }
}
