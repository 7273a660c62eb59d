//! An engine with nothing to do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Step;
use crate::{
    event::event,
    load::{Store, add_endpoint},
    process::{Threads, cpu_time},
    receiver::now_ns,
    receiver_process::ReceiverClient,
};

/// By then, what a delivery leaves to do is done: recording it, and the checkpoint of SQLite's log.
const SETTLING: Duration = Duration::from_secs(3);
/// The engine's thread that checks whether others have put events into its table.
const WATCH: &str = "webhooks-outbox";

/// Delivers one event, then does nothing.
#[derive(Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) store: Store,
    pub(crate) port: u16,
    pub(crate) time: Duration,
}

/// The cost of doing nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Idleness {
    pub(crate) wakeups_per_second: f64,
    /// In percent of one core.
    pub(crate) cpu_percent: f64,
    /// The part of it used by the thread that watches the outbox table.
    pub(crate) watch_percent: f64,
}

impl Step for Idle {
    const NAME: &str = "idle";
    type Outcome = Idleness;

    async fn run(self) -> anyhow::Result<Idleness> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let webhooks = self.store.open().await?;
        add_endpoint(&webhooks, "idle", receiver.url("idle")).await?;
        webhooks.send("idle", event(0, now_ns())).await?;
        receiver.wait_for_first().await?;
        tokio::time::sleep(SETTLING).await;
        let (before, cpu_before) = (Threads::now()?, cpu_time());
        tokio::time::sleep(self.time).await;
        let cpu = cpu_time() - cpu_before;
        let after = Threads::now()?;
        let seconds = self.time.as_secs_f64();
        let percent = |cpu: Duration| cpu.as_secs_f64() * 100.0 / seconds;
        let idleness = Idleness {
            wakeups_per_second: after.wakeups_since(&before) as f64 / seconds,
            cpu_percent: percent(cpu),
            watch_percent: percent(after.cpu_of(WATCH)? - before.cpu_of(WATCH)?),
        };
        webhooks.shutdown(Duration::ZERO).await;
        Ok(idleness)
    }
}
