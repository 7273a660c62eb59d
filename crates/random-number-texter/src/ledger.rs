//! The durable record of what was texted: a SQLite file with one row per text.
//!
//! It owns the guard against texting twice, the daily limit and each text's progress. One thread
//! holds the connection and runs one short transaction after another, so that no two change a row
//! at once; nothing here waits for the network. A file belongs to one running texter, because a
//! text that is marked in it as "being given to Twilio" must be that texter's own.

mod change;
mod claim;
mod read;
mod row;
mod store_location;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

pub(crate) use change::Adoption;
pub(crate) use claim::{Claim, NewText};
pub use store_location::StoreLocation;

/// Maximum number of calls that wait for the thread; each takes some ten microseconds and one flush to disk.
const CALLS_WAITING_MAX: usize = 256;
/// Marks the file as ours, in SQLite's header; incremented when the table changes.
const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
create table texts (
  text_id text primary key,
  -- the once-guard: one row an event, however often it comes
  event_id text unique,
  body text not null,
  state text not null,
  -- the position of the state in the sequence; it fences off late statuses
  rank integer not null,
  sid text,
  error_code integer,
  error_message text,
  -- why it is not known whether Twilio accepted the text
  doubt text,
  posted_at_ms integer,
  -- the UTC day whose limit the text counts toward; null when it was certainly not sent
  counted_on text,
  received_at_ms integer not null,
  updated_at_ms integer not null
) strict;
create index texts_by_day on texts (counted_on) where counted_on is not null;
create index texts_by_sid on texts (sid) where sid is not null;
create index texts_by_age on texts (received_at_ms);
create index texts_unsettled on texts (state) where rank = 0;
";

/// The ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another program has the file.
    #[error("{0} is in use by another texter; stop that one or set TEXTER_STORE to another file")]
    InUse(StoreLocation),
    /// The file is something else.
    #[error(
        "{location} holds version {found}, but this program knows version {SCHEMA_VERSION}; \
         set TEXTER_STORE to another file"
    )]
    OtherVersion {
        /// The file.
        location: StoreLocation,
        /// What its header says.
        found: i64,
    },
    /// The operating system refused to create the file.
    #[error(
        "{location} can't be created: {source}; set TEXTER_STORE to a file in a directory you may write"
    )]
    File {
        /// The file.
        location: StoreLocation,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("{location} can't be used: {source}; check TEXTER_STORE")]
    Sqlite {
        /// The file.
        location: StoreLocation,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The thread could not be started.
    #[error("can't start a thread for the store: {0}")]
    Thread(#[from] std::io::Error),
    /// The ledger was closed: the program is stopping.
    #[error("the store is closed, because the program is stopping")]
    Closed,
}

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

enum Order {
    Run(Call),
    Close(oneshot::Sender<()>),
}

/// A handle to the thread that holds the connection.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    orders: mpsc::Sender<Order>,
    location: StoreLocation,
}

impl Ledger {
    /// Opens or creates the file.
    pub(crate) async fn open(location: StoreLocation) -> Result<Self, LedgerError> {
        let (orders, mut waiting) = mpsc::channel(CALLS_WAITING_MAX);
        let (opened, open) = oneshot::channel();
        let place = location.clone();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let mut connection = match connect(&place) {
                    Ok(connection) => {
                        let _ = opened.send(Ok(()));
                        connection
                    }
                    Err(error) => {
                        let _ = opened.send(Err(error));
                        return;
                    }
                };
                while let Some(order) = waiting.blocking_recv() {
                    match order {
                        Order::Run(call) => call(&mut connection),
                        Order::Close(closed) => {
                            drop(connection);
                            let _ = closed.send(());
                            return;
                        }
                    }
                }
            })?;
        open.await.unwrap_or(Err(LedgerError::Closed))?;
        Ok(Self { orders, location })
    }

    /// Closes the file; later calls are refused.
    pub(crate) async fn close(&self) {
        let (closed, closing) = oneshot::channel();
        if self.orders.send(Order::Close(closed)).await.is_ok() {
            let _ = closing.await;
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (done, result) = oneshot::channel();
        let call: Call = Box::new(move |connection| {
            let _ = done.send(run(connection));
        });
        self.orders
            .send(Order::Run(call))
            .await
            .map_err(|_| LedgerError::Closed)?;
        result
            .await
            .map_err(|_| LedgerError::Closed)?
            .map_err(|source| LedgerError::Sqlite {
                location: self.location.clone(),
                source,
            })
    }
}

fn connect(location: &StoreLocation) -> Result<Connection, LedgerError> {
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::InUse(location.clone())
        }
        _ => LedgerError::Sqlite {
            location: location.clone(),
            source,
        },
    };
    location.create().map_err(|source| LedgerError::File {
        location: location.clone(),
        source,
    })?;
    let mut connection = location.connect().map_err(failed)?;
    // Exclusive: see above. Full: a claim that a power cut could undo would let a text be sent twice.
    connection
        .execute_batch(
            "pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full;",
        )
        .map_err(failed)?;
    let made = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .and_then(|transaction| {
            let version: i64 =
                transaction.query_row("pragma user_version", [], |row| row.get(0))?;
            if version == 0 {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            }
            transaction.commit()?;
            Ok(version)
        })
        .map_err(failed)?;
    match made {
        0 | SCHEMA_VERSION => Ok(connection),
        found => Err(LedgerError::OtherVersion {
            location: location.clone(),
            found,
        }),
    }
}
