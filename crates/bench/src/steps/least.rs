//! The bound of a quiet engine: the least that a program can do that stores an event before it sends it, and records
//! later that it was answered. A thread writes, and each of its transactions also removes what was answered since the
//! one before; nobody waits for that. It keeps no history, knows one endpoint, and tries nothing again.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use anyhow::Context;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use webhooks_core::Secret;

use super::{
    Cost, Step,
    bare::{client, post},
    latency::{Meter, WARM_UP},
};
use crate::{
    event::body,
    load::{Latencies, paced},
    machine::open,
    receiver_process::ReceiverClient,
};

/// An open loop to one endpoint.
#[derive(Serialize, Deserialize)]
pub(crate) struct LeastAt {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) per_second: u64,
    pub(crate) time: Duration,
}

/// What the least costs, and how long it takes from send to receiver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Least {
    pub(crate) cost: Cost,
    pub(crate) latencies: Latencies,
}

/// An event to be stored, and who waits for its row's number.
struct Send {
    body: String,
    stored: oneshot::Sender<rusqlite::Result<i64>>,
}

/// Stores events.
struct Outbox {
    sends: mpsc::Sender<Send>,
    /// Rows whose events were answered, for the next transaction.
    answered: Arc<Mutex<Vec<i64>>>,
}

impl Outbox {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let connection = open(folder)?;
        let (sends, waiting) = mpsc::channel();
        let answered = Arc::<Mutex<Vec<i64>>>::default();
        let of_writer = Arc::clone(&answered);
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                while let Ok(Send { body, stored }) = waiting.recv() {
                    // The sender may have given up.
                    let _ = stored.send(write(&connection, &body, &of_writer));
                }
            })?;
        Ok(Self { sends, answered })
    }

    async fn store(&self, body: String) -> anyhow::Result<i64> {
        let (stored, row) = oneshot::channel();
        self.sends
            .send(Send { body, stored })
            .ok()
            .context("the writer ended")?;
        Ok(row.await??)
    }

    fn is_answered(&self, row: i64) {
        self.answered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(row);
    }
}

/// One transaction: an event that comes, and those that may go. Returns the event's row.
fn write(connection: &Connection, body: &str, answered: &Mutex<Vec<i64>>) -> rusqlite::Result<i64> {
    let answered = std::mem::take(&mut *answered.lock().unwrap_or_else(PoisonError::into_inner));
    connection.prepare_cached("begin immediate")?.execute([])?;
    for row in answered {
        connection
            .prepare_cached("delete from row where id = ?1")?
            .execute([row])?;
    }
    connection
        .prepare_cached("insert into row (text) values (?1)")?
        .execute([body])?;
    let row = connection.last_insert_rowid();
    connection.prepare_cached("commit")?.execute([])?;
    Ok(row)
}

impl Step for LeastAt {
    const NAME: &str = "least";
    type Outcome = Least;

    async fn run(self) -> anyhow::Result<Least> {
        let receiver = ReceiverClient::new(self.port)?;
        let url = reqwest::Url::parse(&receiver.url("timed/least"))?;
        let shared = Arc::new((
            Outbox::open(&self.folder)?,
            client(1)?,
            url,
            Secret::generate(),
        ));
        let send = move |number, at_ns| {
            let shared = Arc::clone(&shared);
            async move {
                let (outbox, client, url, secret) = &*shared;
                let row = outbox.store(body("", number, at_ns)).await?;
                post(client, url, secret, (number, at_ns)).await?;
                outbox.is_answered(row);
                Ok(())
            }
        };
        paced(self.per_second, WARM_UP, send.clone()).await?;
        receiver.reset().await?;
        let meter = Meter::start()?;
        let sent = paced(self.per_second, self.time, send).await?;
        receiver.wait_for(sent).await?;
        let cost = meter.cost_of(sent)?;
        let report = receiver.report().await?;
        anyhow::ensure!(
            report.distinct == sent,
            "{} of {sent} events arrived",
            report.distinct
        );
        Ok(Least {
            cost,
            latencies: Latencies::new(report.latencies_us),
        })
    }
}
