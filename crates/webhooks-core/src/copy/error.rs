//! Why a store was not copied.

use std::sync::Arc;

use super::report::CopiedTable;
use crate::store::{error::StoreError, open_error::OpenError};

/// A store was not copied, or not wholly. Nothing of the file has changed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The file or the database cannot be opened: an engine runs on the file, for one.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The addresses are not those of a file and of a Postgres database.
    #[error(
        "a store is copied from a file to Postgres: give sqlite:<file> first, then postgres://<user>:<password>@<host>/<database>"
    )]
    Addresses,
    /// The file is missing, or has no tables of ours.
    #[error("{file} has no store: give the file that the engine was opened on")]
    NoStore {
        /// The file.
        file: String,
    },
    /// Rows of the file's outbox table that Postgres cannot take.
    #[error(
        "rows of webhooks_outbox in {file} hold data that is not JSON, or a customer, type or event_id that is not \
         text, which Postgres does not take: correct or delete those with the ids {}, and copy again",
        listed(ids)
    )]
    Outbox {
        /// The file.
        file: String,
        /// The first of them.
        ids: Vec<i64>,
    },
    /// The schema has something that no copy brought there.
    #[error(
        "{store} has a table {schema}.{table} with rows of its own: copy to an empty schema, named by ?schema= in the address"
    )]
    NotEmpty {
        /// The database.
        store: String,
        /// The schema.
        schema: String,
        /// The table.
        table: &'static str,
    },
    /// An engine runs on the database.
    #[error(
        "an engine runs on the schema {schema} of {store}, or has ended less than {} s ago without a shutdown: stop it, and copy again",
        crate::store::postgres::node::LEASE.as_secs()
    )]
    EngineRuns {
        /// The database.
        store: String,
        /// The schema.
        schema: String,
    },
    /// A copy into the schema has begun, from another file or from this one before an engine ran on it again.
    #[error(
        "the schema {schema} of {store} holds a copy of another file, or of this one before an engine ran on it again: \
         drop the schema and copy again, or copy to another one"
    )]
    OtherSource {
        /// The database.
        store: String,
        /// The schema.
        schema: String,
    },
    /// Another copy into the schema is under way.
    #[error(
        "another copy into the schema {schema} of {store} is under way: let it end, or stop it and copy again"
    )]
    AnotherCopy {
        /// The database.
        store: String,
        /// The schema.
        schema: String,
    },
    /// Both sides were counted, and differ.
    #[error(
        "the file and Postgres differ ({}): stop what writes to either, and copy again; should they differ still, drop the schema first",
        listed(tables)
    )]
    Different {
        /// The tables that differ.
        tables: Vec<CopiedTable>,
    },
    /// The file cannot be read.
    #[error("{file}: the table webhooks_{table} cannot be read: {source}")]
    Source {
        /// The file.
        file: String,
        /// The table.
        table: &'static str,
        /// What SQLite said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Postgres refused, or was lost.
    #[error("{store}: {source}; what was copied so far is kept: copy again to go on")]
    Target {
        /// The database.
        store: String,
        /// What it said.
        source: StoreError,
    },
}

crate::error_text::debug_is_display!(CopyError);

fn listed<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}
