//! The file behind `--store`: one table, one writer thread, a bounded queue.

use std::{path::Path, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serve::wire::Head;
use tokio::sync::{mpsc, oneshot};
use webhooks_core::private_file;

use crate::record::Record;

/// Maximum number of writes that wait; each holds a record, so the queue is short. A full queue
/// slows down answers rather than losing captured requests.
const QUEUE: usize = 64;
/// Maximum number of writes in one transaction.
const BATCH: usize = 64;

/// The store cannot be used: its file, and why.
#[derive(Debug, thiserror::Error)]
#[error("the store {0} {1}")]
pub struct StoreError(String, String);

impl StoreError {
    fn new(path: &str, reason: impl Into<String>) -> Self {
        Self(path.to_owned(), reason.into())
    }

    fn unusable(path: &str) -> impl Fn(rusqlite::Error) -> Self + '_ {
        move |error| Self::new(path, format!("cannot be used: {error}"))
    }
}

/// Incremented when the table changes.
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

impl Disk {
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Record>), StoreError> {
        let name = path.display().to_string();
        let wrong = StoreError::unusable(&name);
        private_file::create(path).map_err(|error| {
            let advice = "name a file in a directory you may write";
            StoreError::new(&name, format!("cannot be created: {error}; {advice}"))
        })?;
        let connection = Connection::open(path).map_err(&wrong)?;
        // A crash of polis loses nothing that was written; NORMAL may lose the last
        // moments when the whole machine fails, which a debugging tool can afford.
        connection
            .execute_batch("pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 2000;")
            .map_err(&wrong)?;
        let found: i64 = connection
            .query_row("pragma user_version", [], |row| row.get(0))
            .map_err(&wrong)?;
        if found != 0 && found != VERSION {
            return Err(StoreError::new(
                &name,
                format!(
                    "has version {found}, but this polis writes version {VERSION}; move the file away or use the polis that wrote it"
                ),
            ));
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
            .map_err(&wrong)?;
        let records = load(&connection).map_err(&wrong)?;
        let (queue, writes) = mpsc::channel(QUEUE);
        let writer = std::thread::Builder::new()
            .name("polis-store".into())
            .spawn(move || write(connection, writes))
            .map_err(|error| StoreError::new(&name, format!("cannot start its thread: {error}")))?;
        Ok((
            Self {
                queue: Some(queue),
                writer: Some(writer),
                path: name.clone(),
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

    /// Called at the start, before anything awaits.
    pub(super) fn forget_now(&self, ids: &[u64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let wrong = StoreError::unusable(&self.path);
        let connection = Connection::open(&self.path).map_err(&wrong)?;
        let last = ids.iter().max().copied().unwrap_or_default();
        connection
            .execute("delete from requests where id <= ?1", [as_integer(last)])
            .map(drop)
            .map_err(&wrong)
    }

    pub(super) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.send(Write::Flush(done)).await;
        // An error means that the writer is gone, which `send` has reported.
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
    let facts = serde_json::to_string(record)
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
        let mut record: Record = serde_json::from_str(&facts).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(7, rusqlite::types::Type::Text, error.into())
        })?;
        record.id = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
        record.received_at =
            Timestamp::from_millisecond(row.get(1)?).unwrap_or(Timestamp::UNIX_EPOCH);
        let head = Bytes::from(row.get::<_, Vec<u8>>(2)?);
        let is_whole: bool = row.get(3)?;
        match Head::parse(head.clone()) {
            Ok(parsed) if is_whole => record.head = Some(parsed),
            _ => record.first_bytes = head,
        }
        record.body = Bytes::from(row.get::<_, Vec<u8>>(4)?);
        record.trailers = Bytes::from(row.get::<_, Vec<u8>>(5)?);
        if let Some(answer) = record.answer.get_mut() {
            let bytes = Bytes::from(row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default());
            // An echo shares the request's bytes, as it did before the restart.
            answer.body = match bytes == record.body {
                true => record.body.clone(),
                false => bytes,
            };
        }
        Ok(record)
    })?;
    rows.collect()
}

/// Ids count up from 1, and never reach the upper half of `u64` that SQLite cannot store.
fn as_integer(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
