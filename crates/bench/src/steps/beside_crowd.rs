//! A healthy endpoint in an open loop, next to a crowd of others that are slow or in trouble.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use webhooks_core::{LookupError, Resolve, Resolving, Webhooks};

use super::{Measured, Step};
use crate::{
    event::event,
    load::{Latencies, add_endpoint, open_loop},
    process::peak_bytes,
    receiver::{HANG_AFTER, now_ns},
    receiver_process::ReceiverClient,
};

/// Requests are made and statements are prepared before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// The wait after adding the crowd: by then what that wrote has been checkpointed, which would
/// otherwise happen during the measurement.
const SETTLE: Duration = Duration::from_millis(1_500);
/// An endpoint's position in its turn is its number times this: the golden ratio spreads the
/// positions evenly. At equal distances, all would be sent to just before, or just after, the
/// healthy endpoint.
const GOLDEN: f64 = 0.618_033_988_75;
/// The number of callers that add endpoints at the same time, so that many share a commit.
const CALLERS: usize = 256;
/// The name server of these names does not answer.
const DEAD_SUFFIX: &str = ".dead.example";

/// What is wrong with a crowd of endpoints, each of which has its own customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Crowd {
    /// Nothing: they show what storing and sending this much costs.
    Healthy,
    /// They answer with 200 after 5 s.
    Slow,
    /// They have answered at once so far; from now on they do not answer within the time limit.
    BeginToHang,
    Refuse {
        port: u16,
    },
    /// The name server of each endpoint does not answer.
    DeadNames,
}

/// An open loop to one endpoint while a crowd gets its events.
#[derive(Serialize, Deserialize)]
pub(crate) struct BesideCrowd {
    pub(crate) database: PathBuf,
    pub(crate) port: u16,
    pub(crate) name: String,
    /// `None`: the endpoint alone.
    pub(crate) crowd: Option<(Crowd, usize)>,
    /// Events to each endpoint of the crowd, in the course of the measurement.
    pub(crate) events_each: usize,
    pub(crate) per_second: u64,
    pub(crate) time: Duration,
}

/// Never answers for some names; it is not asked for any others.
struct DeadNameServer;

impl Resolve for DeadNameServer {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            if name.ends_with(DEAD_SUFFIX) {
                std::future::pending::<()>().await;
            }
            Err(LookupError::NoAddress(name.to_owned()))
        })
    }
}

impl BesideCrowd {
    fn url(&self, receiver: &ReceiverClient, crowd: Crowd, index: usize) -> String {
        let name = &self.name;
        match crowd {
            Crowd::Healthy => receiver.url(&format!("{name}-{index}")),
            Crowd::Slow => receiver.url(&format!("slow/{name}-{index}")),
            Crowd::BeginToHang => receiver.url(&format!("begin/{name}-{index}")),
            Crowd::Refuse { port } => format!("http://127.0.0.1:{port}/{index}"),
            Crowd::DeadNames => format!("http://h{index}{DEAD_SUFFIX}/"),
        }
    }

    fn customer(&self, index: usize) -> String {
        format!("{}-crowd-{index}", self.name)
    }

    /// Adds the crowd, and lets those that begin to hang answer for the last time.
    async fn gather(
        &self,
        webhooks: &Webhooks,
        receiver: &ReceiverClient,
    ) -> anyhow::Result<usize> {
        let Some((crowd, count)) = self.crowd else {
            return Ok(0);
        };
        let mut sent = 0;
        for first in (0..count).step_by(CALLERS) {
            let mut callers = tokio::task::JoinSet::new();
            for index in first..count.min(first + CALLERS) {
                let (webhooks, customer) = (webhooks.clone(), self.customer(index));
                let url = self.url(receiver, crowd, index);
                callers.spawn(async move {
                    add_endpoint(&webhooks, &customer, url).await?;
                    if crowd != Crowd::BeginToHang {
                        return anyhow::Ok(0);
                    }
                    let events = (0..HANG_AFTER).map(|number| event(number, now_ns()));
                    Ok(webhooks.send_all(&customer, events).await?.len())
                });
            }
            while let Some(added) = callers.join_next().await {
                sent += added??;
            }
        }
        receiver.wait_for(u64::try_from(sent)?).await?;
        Ok(sent)
    }

    /// Sends the crowd its events, one at a time to one endpoint after another, spread evenly over
    /// the time whether or not earlier ones are stored. Returns the number of events.
    async fn keep_busy(&self, webhooks: &Webhooks) -> anyhow::Result<usize> {
        let count = self.crowd.map_or(0, |(_, count)| count);
        let events = count * self.events_each;
        let started = Instant::now();
        let mut sends = tokio::task::JoinSet::new();
        for number in 0..events {
            let place = number as f64 + (number as f64 * GOLDEN).fract();
            let at = self.time.mul_f64(place / events as f64);
            tokio::time::sleep(at.saturating_sub(started.elapsed())).await;
            let (webhooks, customer) = (webhooks.clone(), self.customer(number % count));
            let of_each = HANG_AFTER + u64::try_from(number / count)?;
            sends.spawn(async move { webhooks.send(&customer, event(of_each, now_ns())).await });
            while let Some(sent) = sends.try_join_next() {
                sent??;
            }
        }
        while let Some(sent) = sends.join_next().await {
            sent??;
        }
        Ok(events)
    }
}

impl Step for BesideCrowd {
    const NAME: &str = "beside_crowd";
    type Outcome = Measured;

    async fn run(self) -> anyhow::Result<Measured> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let started = Instant::now();
        let webhooks = Webhooks::builder()
            .allow_networks(["127.0.0.0/8"])?
            .resolver(Arc::new(DeadNameServer))
            .open(&format!("sqlite:{}", self.database.display()))
            .await?;
        let url = receiver.url(&format!("timed/{}", self.name));
        add_endpoint(&webhooks, &self.name, url).await?;
        webhooks.send(&self.name, event(0, now_ns())).await?;
        receiver.wait_for_first().await?;
        let first_delivery = started.elapsed();
        receiver.reset().await?;
        let mut owed = 1 + self.gather(&webhooks, &receiver).await?;
        receiver.reset().await?;
        tokio::time::sleep(SETTLE).await;
        let warm_up = open_loop(&webhooks, &self.name, self.per_second, WARM_UP).await?;
        receiver.wait_for(warm_up).await?;
        receiver.reset().await?;
        let (sent, busy) = tokio::join!(
            open_loop(&webhooks, &self.name, self.per_second, self.time),
            self.keep_busy(&webhooks),
        );
        let sent = sent?;
        owed += busy? + usize::try_from(warm_up + sent)?;
        receiver.wait_for_timed(sent).await?;
        let report = receiver.report().await?;
        let peak_bytes = peak_bytes()?;
        webhooks.shutdown(Duration::ZERO).await;
        let timed = u64::try_from(report.latencies_us.len())?;
        Ok(Measured {
            latencies: Latencies::new(report.latencies_us),
            lost: sent.saturating_sub(timed) + unaccounted(&self.database, owed)?,
            duplicates: report.duplicates,
            cost: None,
            first_delivery,
            peak_bytes,
        })
    }
}

/// The number of deliveries that, according to the store, are neither pending nor delivered.
fn unaccounted(database: &Path, deliveries: usize) -> anyhow::Result<u64> {
    let connection = Connection::open(database)?;
    let known: i64 = connection.query_row(
        "select count(*) from (
             select event_seq, endpoint_key from webhooks_delivery
             union
             select event_seq, endpoint_key from webhooks_attempt where failure is null)",
        [],
        |row| row.get(0),
    )?;
    Ok(u64::try_from(deliveries)?.saturating_sub(u64::try_from(known)?))
}
