//! The time from the moment an event was due to be sent to its arrival, in an open loop; and how
//! long an engine takes from its start to its first delivery.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Step;
use crate::{
    event::event,
    load::{Latencies, Store, add_endpoint, median, open_loop},
    process::{Threads, cpu_time, peak_bytes},
    receiver::now_ns,
    receiver_process::ReceiverClient,
};

/// Connections are made and statements are prepared before anything is measured.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// Endpoints of the same customer, which also get every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Companions {
    None,
    /// One that hangs for 30 s, and one that refuses connections.
    Troubled {
        refusing_port: u16,
    },
}

/// An open loop to one endpoint.
#[derive(Serialize, Deserialize)]
pub(crate) struct LatencyAt {
    pub(crate) store: Store,
    pub(crate) port: u16,
    /// The customer.
    pub(crate) name: String,
    /// Whether its endpoint was added before; if not, it has none yet.
    pub(crate) known: bool,
    pub(crate) companions: Companions,
    pub(crate) per_second: u64,
    pub(crate) time: Duration,
}

impl LatencyAt {
    /// Measures one endpoint that has no companions.
    pub(crate) fn new(store: Store, port: u16, per_second: u64, time: Duration) -> Self {
        Self {
            store,
            port,
            name: "acme".to_owned(),
            known: false,
            companions: Companions::None,
            per_second,
            time,
        }
    }
}

/// The result of an open loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) latencies: Latencies,
    pub(crate) lost: u64,
    pub(crate) duplicates: u64,
    /// `None` if the process also had other work.
    pub(crate) cost: Option<Cost>,
    /// From opening the store to the arrival of the first event.
    pub(crate) first_delivery: Duration,
    pub(crate) peak_bytes: u64,
}

/// The cost of one delivery.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Processor time of the process, including callers, in microseconds.
    pub(crate) cpu_us: f64,
    /// How often its threads were woken, except for the one that paces the callers.
    pub(crate) wakeups: f64,
}

/// Measures what this process uses from a moment on.
pub(super) struct Meter {
    threads: Threads,
    cpu: Duration,
}

impl Meter {
    pub(super) fn start() -> anyhow::Result<Self> {
        Ok(Self {
            threads: Threads::now()?,
            cpu: cpu_time(),
        })
    }

    /// What it used since, for each of so many deliveries.
    pub(super) fn cost_of(&self, deliveries: u64) -> anyhow::Result<Cost> {
        let cpu = cpu_time() - self.cpu;
        let wakeups = Threads::now()?.wakeups_since(&self.threads);
        Ok(Cost {
            cpu_us: cpu.as_secs_f64() * 1e6 / deliveries as f64,
            wakeups: wakeups as f64 / deliveries as f64,
        })
    }
}

/// The runs of one open loop, one per round.
#[derive(Default)]
pub(crate) struct Rounds(Vec<Measured>);

impl Rounds {
    pub(crate) fn push(&mut self, run: Measured) {
        self.0.push(run);
    }

    /// All latencies of all rounds.
    pub(crate) fn latencies(&self) -> Latencies {
        let runs = self.0.iter().map(|run| run.latencies.clone());
        runs.reduce(Latencies::join).unwrap_or_default()
    }

    /// The median of the rounds' p99: one round with a noisy neighbour must not decide how two
    /// things compare.
    pub(crate) fn median_p99_ms(&self) -> f64 {
        median(self.0.iter().map(|run| run.latencies.percentile_ms(990)))
    }

    /// Events that were lost or arrived twice.
    pub(crate) fn wrong(&self) -> u64 {
        self.0.iter().map(|run| run.lost + run.duplicates).sum()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.0.iter().map(|run| run.lost).sum()
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.0.iter().map(|run| run.duplicates).sum()
    }

    /// The median of the rounds' costs, for each figure by itself.
    pub(crate) fn median_cost(&self) -> Cost {
        let of = |what: fn(Cost) -> f64| median(self.0.iter().filter_map(|run| run.cost).map(what));
        Cost {
            cpu_us: of(|cost| cost.cpu_us),
            wakeups: of(|cost| cost.wakeups),
        }
    }

    pub(crate) fn slowest_start(&self) -> Duration {
        let starts = self.0.iter().map(|run| run.first_delivery);
        starts.max().unwrap_or_default()
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        let peaks = self.0.iter().map(|run| run.peak_bytes);
        peaks.max().unwrap_or_default()
    }
}

impl Step for LatencyAt {
    const NAME: &str = "latency";
    type Outcome = Measured;

    async fn run(self) -> anyhow::Result<Measured> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let started = Instant::now();
        let webhooks = self.store.open().await?;
        if !self.known {
            let url = receiver.url(&format!("timed/{}", self.name));
            add_endpoint(&webhooks, &self.name, url).await?;
        }
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
        let meter = Meter::start()?;
        let sent = open_loop(&webhooks, &self.name, self.per_second, self.time).await?;
        receiver.wait_for(sent).await?;
        let cost = meter.cost_of(sent)?;
        let report = receiver.report().await?;
        let peak_bytes = peak_bytes()?;
        webhooks.shutdown(Duration::ZERO).await;
        Ok(Measured {
            latencies: Latencies::new(report.latencies_us),
            lost: sent - report.distinct,
            duplicates: report.duplicates,
            cost: Some(cost),
            first_delivery,
            peak_bytes,
        })
    }
}
