//! The file behind `--store`: one table, one writer thread, a bounded queue.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    thread::JoinHandle,
};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use webhooks_core::private_file;

use crate::{
    content::Content,
    delivery::Delivery,
    diagnosis::Diagnosis,
    record::{Answer, Record},
    wire::Head,
};

/// Writes that wait at most; each holds a record, so the queue is short. A full queue slows
/// answers down rather than losing what was captured.
const QUEUE: usize = 64;
/// Writes in one transaction.
const BATCH: usize = 64;

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not SQLite, not readable, locked …
    #[error("the store {path} cannot be used: {source}")]
    Sqlite {
        /// The file.
        path: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The operating system refused.
    #[error("the store {path} cannot be made: {source}; name a file in a directory you may write")]
    File {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Written by another version.
    #[error(
        "the store {path} has version {found}, this polis writes version {VERSION}; move the file away or use the polis that wrote it"
    )]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
    },
    /// No thread could be started.
    #[error("the thread that writes the store cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Grows when the table changes.
const VERSION: i64 = 1;

#[derive(Debug)]
enum Write {
    Put(Arc<Record>),
    Forget(Vec<u64>),
    Flush(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Disk {
    queue: Option<mpsc::Sender<Write>>,
    writer: Option<JoinHandle<()>>,
    path: String,
}

/// What of a record is neither head nor body.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    scope: String,
    remote: SocketAddr,
    body_cut: bool,
    problem: Option<String>,
    notes: Vec<String>,
    content: Content,
    event: Option<String>,
    delivery: Option<Delivery>,
    diagnosis: Option<Diagnosis>,
    answer: Option<Answer>,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Record>), StoreError> {
        let name = path.display().to_string();
        let wrong = |source| StoreError::Sqlite {
            path: name.clone(),
            source,
        };
        private_file::create(path).map_err(|source| StoreError::File {
            path: name.clone(),
            source,
        })?;
        let connection = Connection::open(path).map_err(wrong)?;
        // A crash of polis loses nothing that was written; NORMAL may lose the last
        // moments when the whole machine fails, which a debugging tool can afford.
        connection
            .execute_batch("pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 2000;")
            .map_err(wrong)?;
        let found: i64 = connection
            .query_row("pragma user_version", [], |row| row.get(0))
            .map_err(wrong)?;
        if found != 0 && found != VERSION {
            return Err(StoreError::Version { path: name, found });
        }
        connection
            .execute_batch(
                "create table if not exists requests (
                   id integer primary key,
                   received_at_ms integer not null,
                   head blob not null,
                   head_is_whole integer not null,
                   body blob not null,
                   trailers blob not null,
                   answer_body blob,
                   facts text not null
                 ) strict;",
            )
            .and_then(|()| connection.pragma_update(None, "user_version", VERSION))
            .map_err(wrong)?;
        let records = load(&connection).map_err(wrong)?;
        let (queue, writes) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("polis-store".into())
            .spawn(move || write(connection, writes))
            .map_err(StoreError::Thread)?;
        Ok((
            Self {
                queue: Some(queue),
                writer: Some(writer),
                path: name,
            },
            records,
        ))
    }

    async fn send(&self, write: Write) {
        if let Some(queue) = &self.queue
            && queue.send(write).await.is_err()
        {
            tracing::error!(store = %self.path, "the store's writer has ended; requests are kept in memory only");
        }
    }

    pub(super) async fn put(&self, record: Arc<Record>) {
        self.send(Write::Put(record)).await;
    }

    pub(super) async fn forget(&self, ids: Vec<u64>) {
        if !ids.is_empty() {
            self.send(Write::Forget(ids)).await;
        }
    }

    /// At the start, before anybody awaits.
    pub(super) fn forget_now(&self, ids: &[u64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let wrong = |source| StoreError::Sqlite {
            path: self.path.clone(),
            source,
        };
        let connection = Connection::open(&self.path).map_err(wrong)?;
        let last = ids.iter().max().copied().unwrap_or_default();
        connection
            .execute("delete from requests where id <= ?1", [as_integer(last)])
            .map(drop)
            .map_err(wrong)
    }

    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.send(Write::Flush(done)).await;
        // An error means that the writer is gone, which `send` has said.
        let _ = wait.await;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(mut connection: Connection, mut writes: mpsc::Receiver<Write>) {
    while let Some(first) = writes.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = writes.try_recv()
        {
            batch.push(next);
        }
        if let Err(error) = write_batch(&mut connection, &batch) {
            tracing::error!(%error, writes = batch.len(), "the store could not be written; these requests are kept in memory only");
        }
        for write in batch {
            if let Write::Flush(done) = write {
                let _ = done.send(());
            }
        }
    }
}

fn write_batch(connection: &mut Connection, batch: &[Write]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for write in batch {
        match write {
            Write::Put(record) => put(&transaction, record)?,
            Write::Forget(ids) => {
                let mut statement =
                    transaction.prepare_cached("delete from requests where id = ?1")?;
                for id in ids {
                    statement.execute([as_integer(*id)])?;
                }
            }
            Write::Flush(_) => {}
        }
    }
    transaction.commit()
}

fn put(connection: &Connection, record: &Record) -> rusqlite::Result<()> {
    let facts = Facts {
        scope: record.scope.to_string(),
        remote: record.remote,
        body_cut: record.body_cut,
        problem: record.problem.clone(),
        notes: record.notes.clone(),
        content: record.content,
        event: record.event.clone(),
        delivery: record.delivery.clone(),
        diagnosis: record.diagnosis.clone(),
        answer: record.answer().cloned(),
    };
    let facts = serde_json::to_string(&facts)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let head = record.head.as_ref().map(|head| &head.raw()[..]);
    connection
        .prepare_cached(
            "insert or replace into requests
               (id, received_at_ms, head, head_is_whole, body, trailers, answer_body, facts)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            as_integer(record.id),
            record.received_at.as_millisecond(),
            head.unwrap_or(&record.first_bytes),
            head.is_some(),
            &record.body[..],
            &record.trailers[..],
            record.answer().map(|answer| &answer.body[..]),
            facts,
        ])
        .map(drop)
}

fn load(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut statement = connection.prepare(
        "select id, received_at_ms, head, head_is_whole, body, trailers, answer_body, facts
         from requests order by id",
    )?;
    let rows = statement.query_map([], |row| {
        let facts: String = row.get(7)?;
        let facts: Facts = serde_json::from_str(&facts).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(7, rusqlite::types::Type::Text, error.into())
        })?;
        let head: Vec<u8> = row.get(2)?;
        let is_whole: bool = row.get(3)?;
        let answer_body: Option<Vec<u8>> = row.get(6)?;
        let body = Bytes::from(row.get::<_, Vec<u8>>(4)?);
        let answer = OnceLock::new();
        if let Some(mut known) = facts.answer {
            let bytes = Bytes::from(answer_body.unwrap_or_default());
            // An echo shares the request's bytes, as it did before the restart.
            known.body = if bytes == body { body.clone() } else { bytes };
            let _ = answer.set(known);
        }
        let parsed = is_whole
            .then(|| Head::parse(Bytes::from(head.clone())).ok())
            .flatten();
        Ok(Record {
            id: u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default(),
            scope: facts.scope.into(),
            received_at: Timestamp::from_millisecond(row.get(1)?).unwrap_or(Timestamp::UNIX_EPOCH),
            remote: facts.remote,
            first_bytes: if parsed.is_none() {
                head.into()
            } else {
                Bytes::new()
            },
            head: parsed,
            body,
            body_cut: facts.body_cut,
            trailers: Bytes::from(row.get::<_, Vec<u8>>(5)?),
            problem: facts.problem,
            notes: facts.notes,
            content: facts.content,
            event: facts.event,
            delivery: facts.delivery,
            diagnosis: facts.diagnosis,
            answer,
        })
    })?;
    rows.collect()
}

/// Ids count up from 1 and never reach the half that SQLite cannot hold.
fn as_integer(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
