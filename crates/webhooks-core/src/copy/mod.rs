//! Copying a store from a SQLite file to Postgres: keys and numbers, secrets, pending deliveries, history.
//!
//! Rows are copied in slices, each in one transaction together with the position that it reaches: however a copy
//! is interrupted, the next one continues there. The file is locked meanwhile and only read; no engine can open
//! the schema until the copy is complete. [`table`] says what becomes of each table.

pub(crate) mod error;
mod kind;
pub(crate) mod report;
mod slice;
mod source;
mod table;
mod target;

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;

use self::{
    error::CopyError,
    report::CopyReport,
    source::Source,
    table::TABLES,
    target::{Begun, Target},
};
use crate::store::{address::Address, open_error::OpenError, postgres::address::PostgresAddress};

/// Copies the store in a file to an empty schema of a Postgres database:
/// `copy("sqlite:webhooks.db", "postgres://app@db.example/shop")`. Endpoints with their secrets, events, pending
/// deliveries, history and the rows of the outbox table keep their ids. An engine that is then opened on the
/// database, with the same encryption key as before, continues where the previous one stopped.
///
/// First stop the engine and everything that writes to the file's outbox table. The file is migrated to the
/// current version, as if it were opened, and is otherwise unchanged. If a copy is interrupted for any reason,
/// calling this again continues it; until it is complete, no engine can open the database.
///
/// # Errors
/// [`CopyError`] says what to do.
pub async fn copy(from: &str, to: &str) -> Result<CopyReport, CopyError> {
    let (file, address) = addresses(from, to)?;
    let source = blocking(move || Source::open(&file)).await?;
    let origin = source.origin();
    let source = Arc::new(Mutex::new(source));
    let mut target = Target::open(address).await?;
    let positions = match target.begin(&origin).await? {
        Begun::Positions(positions) => positions,
        Begun::Done(report) => return Ok(report),
    };
    let mut counts = Vec::with_capacity(TABLES.len());
    for (table, mut position) in TABLES.iter().zip(positions) {
        while let Some(slice) = read(&source, move |source| source.slice(table, position)).await? {
            target.write(table, position, &slice).await?;
            position = slice.until;
        }
        let count = read(&source, move |source| source.count(table)).await?;
        tracing::info!(table = table.name, rows = count, "a table was copied");
        counts.push(count);
    }
    target.finish(&origin, &counts).await
}

fn addresses(from: &str, to: &str) -> Result<(PathBuf, PostgresAddress), CopyError> {
    match (Address::parse(from)?, Address::parse(to)?) {
        (Address::Sqlite(Some(file)), Address::Postgres(address)) => Ok((file, *address)),
        _ => Err(CopyError::Addresses),
    }
}

/// Reads the file off the async threads.
async fn read<T: Send + 'static>(
    source: &Arc<Mutex<Source>>,
    work: impl FnOnce(&Source) -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    let source = Arc::clone(source);
    blocking(move || work(&source.lock())).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| OpenError::Client(error.to_string()))?
}
