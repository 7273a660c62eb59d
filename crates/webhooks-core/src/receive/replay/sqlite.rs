//! The keys that the guard remembers in a SQLite file, across restarts.
//!
//! One thread owns the connection and writes everything that has queued up in one transaction, so that a thousand
//! copies at once cost a few commits. A claim is an insert that does nothing if a live row exists; SQLite's write
//! lock makes that hold between processes too.

use super::claim::{Answer, KeyHash, ReplayError};
use crate::private_file;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// A row means nothing after `until_ms`: for a claim that is when its lease ends, for a handled key when it is
/// forgotten. `token` is null once handled.
const SCHEMA: &str = "
create table if not exists replay_guard (
    key blob primary key not null,
    token integer,
    until_ms integer not null
) strict, without rowid;
create index if not exists replay_guard_until on replay_guard (until_ms);
";

// By primary key.
const CLAIM: &str = "
insert into replay_guard (key, token, until_ms) values (?1, ?2, ?3)
on conflict (key) do update set token = excluded.token, until_ms = excluded.until_ms
where replay_guard.until_ms <= ?4";
const LOOK_UP: &str = "select token from replay_guard where key = ?1";
const CONFIRM: &str =
    "update replay_guard set token = null, until_ms = ?3 where key = ?1 and token = ?2";
const RELEASE: &str = "delete from replay_guard where key = ?1 and token = ?2";
// By replay_guard_until.
const FORGET_ENDED: &str = "
delete from replay_guard where key in
    (select key from replay_guard where until_ms <= ?1 order by until_ms limit ?2)";
const FORGET_OLDEST: &str = "
delete from replay_guard where key in
    (select key from replay_guard where token is null order by until_ms limit ?1)";
const COUNT: &str = "select count(*) from replay_guard";

/// How many requests the thread's queue holds; further ones wait for room in it.
const QUEUE: usize = 1024;

/// How many are written in one transaction; bounds how long the first of them waits.
const BATCH: usize = 256;

/// Counting reads an index of the whole table, so it happens only once per this many claims; the limit may be
/// exceeded by as many.
const CLAIMS_PER_COUNT: usize = 1000;

/// Ended rows deleted per batch: twice what a batch of 256 can add, so that they do not pile up.
const FORGET_PER_BATCH: i64 = 512;

/// The maximum number of excess rows deleted at once; a lowered limit is reached in steps.
const FORGET_PER_COUNT: i64 = 10_000;

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Sqlite {
    requests: mpsc::Sender<Request>,
}

struct Request {
    key: KeyHash,
    token: i64,
    command: Command,
}

enum Command {
    Claim {
        now_ms: i64,
        until_ms: i64,
        max_keys: usize,
        reply: Reply<Answer>,
    },
    Confirm {
        until_ms: i64,
        reply: Reply<bool>,
    },
    /// Without a reply when the lease was dropped.
    Release {
        reply: Option<Reply<()>>,
    },
}

type Reply<T> = oneshot::Sender<Result<T, ReplayError>>;

/// The result of a request, reported only after the commit.
enum Done {
    Claim(Answer),
    Confirm(bool),
    Release,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Self, ReplayError> {
        let failed = |problem: String| ReplayError::Open {
            path: path.display().to_string(),
            problem,
        };
        private_file::create(path).map_err(|error| failed(error.to_string()))?;
        let connection = connect(path).map_err(|error| failed(error.to_string()))?;
        let (requests, queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("replay-guard".to_owned())
            .spawn(move || write_all(connection, queue))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { requests })
    }

    /// `term`: from now until the claim ends.
    pub(super) async fn claim(
        &self,
        key: KeyHash,
        token: i64,
        term: Range<SystemTime>,
        max_keys: usize,
    ) -> Result<Answer, ReplayError> {
        let (now_ms, until_ms) = (millis(term.start), millis(term.end));
        self.ask(key, token, |reply| Command::Claim {
            now_ms,
            until_ms,
            max_keys,
            reply,
        })
        .await
    }

    pub(super) async fn confirm(
        &self,
        key: KeyHash,
        token: i64,
        until: SystemTime,
    ) -> Result<bool, ReplayError> {
        let until_ms = millis(until);
        self.ask(key, token, |reply| Command::Confirm { until_ms, reply })
            .await
    }

    pub(super) async fn release(&self, key: KeyHash, token: i64) -> Result<(), ReplayError> {
        self.ask(key, token, |reply| Command::Release { reply: Some(reply) })
            .await
    }

    /// For a dropped lease, which cannot wait. With the queue full the claim ends by itself.
    pub(super) fn release_later(&self, key: KeyHash, token: i64) {
        let release = Request {
            key,
            token,
            command: Command::Release { reply: None },
        };
        if self.requests.try_send(release).is_err() {
            tracing::warn!("a dropped webhook stays claimed until its claim ends");
        }
    }

    async fn ask<T>(
        &self,
        key: KeyHash,
        token: i64,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, ReplayError> {
        let stopped = || ReplayError::Store {
            problem: "its thread has stopped".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        let request = Request {
            key,
            token,
            command: command(reply),
        };
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A confirmation must survive a power cut: the sender will not come again after it.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// The thread: ends when the last guard is gone.
fn write_all(mut connection: Connection, mut queue: mpsc::Receiver<Request>) {
    // Counts at the first claim, because of what an earlier process may have left.
    let mut claims_since_count = CLAIMS_PER_COUNT;
    let mut batch = Vec::with_capacity(BATCH);
    // Claims whose caller was gone by the time they were granted.
    let mut orphans: Vec<Request> = Vec::new();
    loop {
        batch.append(&mut orphans);
        if batch.is_empty() {
            match queue.blocking_recv() {
                Some(request) => batch.push(request),
                None => return,
            }
        }
        while batch.len() < BATCH {
            match queue.try_recv() {
                Ok(request) => batch.push(request),
                Err(_) => break,
            }
        }
        match write_batch(&mut connection, &batch, &mut claims_since_count) {
            Ok(done) => {
                for (request, done) in batch.drain(..).zip(done) {
                    orphans.extend(request.answer(done));
                }
            }
            Err(error) => {
                let problem = error.to_string();
                for request in batch.drain(..) {
                    request.fail(&problem);
                }
            }
        }
    }
}

fn write_batch(
    connection: &mut Connection,
    batch: &[Request],
    claims_since_count: &mut usize,
) -> rusqlite::Result<Vec<Done>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut done = Vec::with_capacity(batch.len());
    let mut forgotten = false;
    for Request {
        key,
        token,
        command,
    } in batch
    {
        done.push(match command {
            Command::Claim {
                now_ms,
                until_ms,
                max_keys,
                ..
            } => {
                *claims_since_count += 1;
                if *claims_since_count > CLAIMS_PER_COUNT {
                    forget_excess(&transaction, *max_keys)?;
                    *claims_since_count = 0;
                }
                if !forgotten {
                    transaction
                        .prepare_cached(FORGET_ENDED)?
                        .execute(params![now_ms, FORGET_PER_BATCH])?;
                    forgotten = true;
                }
                let granted = transaction
                    .prepare_cached(CLAIM)?
                    .execute(params![key, token, until_ms, now_ms])?;
                Done::Claim(if granted == 1 {
                    Answer::Granted
                } else {
                    let holder: Option<Option<i64>> = transaction
                        .prepare_cached(LOOK_UP)?
                        .query_row(params![key], |row| row.get(0))
                        .optional()?;
                    match holder {
                        Some(None) => Answer::Already,
                        _ => Answer::Underway,
                    }
                })
            }
            Command::Confirm { until_ms, .. } => Done::Confirm(
                transaction
                    .prepare_cached(CONFIRM)?
                    .execute(params![key, token, until_ms])?
                    == 1,
            ),
            Command::Release { .. } => {
                transaction
                    .prepare_cached(RELEASE)?
                    .execute(params![key, token])?;
                Done::Release
            }
        });
    }
    transaction.commit()?;
    Ok(done)
}

fn forget_excess(transaction: &rusqlite::Transaction<'_>, max_keys: usize) -> rusqlite::Result<()> {
    let count: i64 = transaction.query_row(COUNT, [], |row| row.get(0))?;
    let excess = count.saturating_sub(i64::try_from(max_keys).unwrap_or(i64::MAX));
    if excess > 0 {
        transaction.execute(FORGET_OLDEST, params![excess.min(FORGET_PER_COUNT)])?;
    }
    Ok(())
}

impl Request {
    /// Replies to the caller; if the caller has gone away meanwhile, releases its claim.
    fn answer(self, done: Done) -> Option<Request> {
        match (self.command, done) {
            (Command::Claim { reply, .. }, Done::Claim(answer)) => {
                let gone = reply.send(Ok(answer)).is_err();
                let release = Command::Release { reply: None };
                (gone && answer == Answer::Granted).then_some(Request {
                    command: release,
                    ..self
                })
            }
            (Command::Confirm { reply, .. }, Done::Confirm(confirmed)) => {
                // A caller that went away needs no answer; the row is written.
                let _ = reply.send(Ok(confirmed));
                None
            }
            (Command::Release { reply: Some(reply) }, _) => {
                let _ = reply.send(Ok(()));
                None
            }
            _ => None,
        }
    }

    fn fail(self, problem: &str) {
        let error = ReplayError::Store {
            problem: problem.to_owned(),
        };
        // A caller that went away needs no answer here either.
        let _ = match self.command {
            Command::Claim { reply, .. } => reply.send(Err(error)).is_ok(),
            Command::Confirm { reply, .. } => reply.send(Err(error)).is_ok(),
            Command::Release { reply: Some(reply) } => reply.send(Err(error)).is_ok(),
            Command::Release { reply: None } => false,
        };
    }
}

fn millis(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hot_statement_finds_its_rows_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connect(&folder.path().join("replay.db")).unwrap();
        for (statement, index) in [
            (LOOK_UP, "PRIMARY KEY (key=?)"),
            (CONFIRM, "PRIMARY KEY (key=?)"),
            (RELEASE, "PRIMARY KEY (key=?)"),
            (FORGET_ENDED, "replay_guard_until (until_ms<?)"),
            (FORGET_OLDEST, "INDEX replay_guard_until"),
        ] {
            let mut explained = connection
                .prepare(&format!("explain query plan {statement}"))
                .unwrap();
            let unbound = vec![rusqlite::types::Null; explained.parameter_count()];
            let plan: Vec<String> = explained
                .query_map(rusqlite::params_from_iter(unbound), |row| row.get(3))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let plan = plan.join("\n");
            assert!(plan.contains(index), "{statement}\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{statement}\n{plan}");
        }
    }
}
