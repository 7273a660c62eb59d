//! From the moment an event was meant to be sent to its arrival, in an open loop; and how long
//! an engine takes from its start to its first delivery.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::Step;
use crate::{
    event::event,
    load::{Latencies, add_endpoint, open_engine, open_loop},
    process::peak_bytes,
    receiver::now_ns,
    receiver_process::ReceiverClient,
};

/// Connections are made and statements prepared before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// Endpoints of the same customer, owed every event too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Companions {
    None,
    /// One that hangs for 30 s, and one that refuses connections.
    Troubled {
        refusing_port: u16,
    },
}

/// An open loop to one endpoint, which is added.
#[derive(Serialize, Deserialize)]
pub(crate) struct LatencyAt {
    pub(crate) database: PathBuf,
    pub(crate) port: u16,
    /// The customer: one that has no endpoints yet.
    pub(crate) name: String,
    pub(crate) companions: Companions,
    pub(crate) per_second: u64,
    pub(crate) time: Duration,
}

/// What an open loop came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) latencies: Latencies,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    /// Opening the store, to the arrival of the first event.
    pub(crate) first_delivery: Duration,
    pub(crate) peak_bytes: u64,
}

impl Measured {
    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            latencies: self.latencies.join(other.latencies),
            lost: self.lost + other.lost,
            duplicates: self.duplicates + other.duplicates,
            first_delivery: self.first_delivery.max(other.first_delivery),
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
        }
    }
}

impl Step for LatencyAt {
    const NAME: &str = "latency";
    type Outcome = Measured;

    async fn run(self) -> anyhow::Result<Measured> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let started = Instant::now();
        let webhooks = open_engine(&self.database).await?;
        let url = receiver.url(&format!("timed/{}", self.name));
        add_endpoint(&webhooks, &self.name, url).await?;
        webhooks.send(&self.name, event(0, now_ns())).await?;
        receiver.wait_for_first().await?;
        let first_delivery = started.elapsed();
        if let Companions::Troubled { refusing_port } = self.companions {
            let hanging = receiver.url(&format!("hang/{}", self.name));
            add_endpoint(&webhooks, &self.name, hanging).await?;
            let refusing = format!("http://127.0.0.1:{refusing_port}/{}", self.name);
            add_endpoint(&webhooks, &self.name, refusing).await?;
        }
        let warm_up = open_loop(&webhooks, &self.name, self.per_second, WARM_UP).await?;
        receiver.wait_for(warm_up + 1).await?;
        receiver.reset().await?;
        let sent = open_loop(&webhooks, &self.name, self.per_second, self.time).await?;
        receiver.wait_for(sent).await?;
        let report = receiver.report().await?;
        let peak_bytes = peak_bytes()?;
        webhooks.shutdown(Duration::ZERO).await;
        Ok(Measured {
            latencies: Latencies::new(report.latencies_us),
            lost: sent - report.distinct,
            duplicates: report.duplicates,
            first_delivery,
            peak_bytes,
        })
    }
}
