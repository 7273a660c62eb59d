//! The process that suffers the faults: an engine on the database, under load.
//!
//! It reports what it does on standard output, as one [`Line`] each, and takes commands on standard
//! input: after `quiet` it sends nothing more, after `stop` it shuts down in an orderly way.

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

/// The command to send nothing more.
pub const QUIET: &str = "quiet";
/// The command to shut down.
pub const STOP: &str = "stop";
/// The wait between two attempts to open the store.
const OPEN_PAUSE: Duration = Duration::from_millis(200);
/// Failed deliveries are retried soon, and often.
const RETRY_WAIT: Duration = Duration::from_millis(100);
const RETRIES: usize = 40;
/// How long requests may take during the shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until it is told to stop, or killed. `database`: the address of the Postgres database, as
/// the engine takes it.
///
/// # Errors
/// When the engine refuses an event, or its input cannot be read.
pub async fn run(database: String, life: u32) -> anyhow::Result<()> {
    // While stopped by SIGSTOP, it would not notice that the other process is gone.
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
                // The other process is gone.
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
            // The database is down, or its connections are cut.
            Err(error) => tracing::warn!(%error, "could not open the store"),
        }
        tokio::time::sleep(OPEN_PAUSE).await;
    }
}
