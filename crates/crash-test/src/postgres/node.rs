//! The process that faults happen to: an engine on the database, under load.
//!
//! It says on standard output what it does, a [`Line`] each. It is told on standard input: at `quiet`
//! it sends nothing more, at `stop` it ends in order.

use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::watch,
    task::JoinSet,
};
use webhooks_core::{RetrySchedule, Webhooks};

use super::{
    ledger::Said,
    line::Line,
    mark::Mark,
    traffic::{Caller, Kind},
};

/// Told to send nothing more.
pub const QUIET: &str = "quiet";
/// Told to end.
pub const STOP: &str = "stop";
/// Between two tries to open the store.
const OPEN_PAUSE: Duration = Duration::from_millis(200);
/// What fails is soon tried again, and often.
const RETRY_WAIT: Duration = Duration::from_millis(100);
const RETRIES: usize = 40;
/// How long requests may take at the end.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until it is told to stop, or killed. `database`: of Postgres, as the engine takes it.
///
/// # Errors
/// When the engine refuses an event, or its input cannot be read.
pub async fn run(database: String, life: u32) -> anyhow::Result<()> {
    // Stopped by SIGSTOP it would not see that the other process is gone.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let webhooks = open(&database).await?;
    Line::Opened.say();
    let quiet = watch::Sender::new(false);
    let mut callers = JoinSet::new();
    for (number, kind) in Kind::EVERY.into_iter().enumerate() {
        let caller = Caller::new((life, u8::try_from(number)?), &database, &webhooks);
        callers.spawn(caller.run(kind, quiet.subscribe()));
    }
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            Some(ended) = callers.join_next() => {
                ended??;
                if callers.is_empty() {
                    Line::Quiet.say();
                }
            }
            line = told.next_line() => match line?.as_deref() {
                Some(QUIET) => quiet.send_modify(|quiet| *quiet = true),
                Some(STOP) => break,
                Some(other) => bail!("told {other:?}"),
                // Whoever told is gone.
                None => return Ok(()),
            }
        }
    }
    webhooks.shutdown(GRACE).await;
    Line::Stopped.say();
    Ok(())
}

async fn open(database: &str) -> anyhow::Result<Webhooks> {
    let schedule = RetrySchedule::new([RETRY_WAIT; RETRIES]).context("the schedule")?;
    loop {
        let opened = Webhooks::builder()
            .allow_networks(["127.0.0.0/8"])?
            .retry(schedule.clone())
            .on_request(|request| {
                if let Some(mark) = Mark::find(request.body) {
                    Line::Said(Said::Requesting(mark)).say();
                }
            })
            .open(database)
            .await;
        match opened {
            Ok(webhooks) => return Ok(webhooks),
            // The database is down, or cut off.
            Err(error) => tracing::warn!(%error, "not opened"),
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}
