//! Why a store could not be copied.

use std::sync::Arc;

use super::report::CopiedTable;
use crate::store::{error::StoreError, open_error::OpenError};

/// A store was not copied, or not completely. The file is unchanged.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The file or the database cannot be opened; for example, an engine is running on the file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The addresses do not name a file and a Postgres database.
    #[error(
        "a store is copied from a file to Postgres: give sqlite:<file> first, then postgres://<user>:<password>@<host>/<database>"
    )]
    Addresses,
    /// The file is missing, or has no tables of ours.
    #[error("{file} has no store: name the file that the engine was opened on")]
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
    /// The schema contains rows that no copy put there.
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
    /// An engine is running on the database.
    #[error(
        "an engine is running on the schema {schema} of {store}, or ended without a shutdown less than {} s ago: stop it and copy again",
        crate::store::postgres::node::LEASE.as_secs()
    )]
    EngineRuns {
        /// The database.
        store: String,
        /// The schema.
        schema: String,
    },
    /// The schema holds a copy of another file, or of this file from before an engine ran on it again.
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
    /// Another copy into the schema is in progress.
    #[error(
        "another copy into the schema {schema} of {store} is in progress: let it finish, or stop it and copy again"
    )]
    AnotherCopy {
        /// The database.
        store: String,
        /// The schema.
        schema: String,
    },
    /// Both sides were counted, and the counts differ.
    #[error(
        "the file and Postgres differ ({}): stop everything that writes to either, and copy again; if they still differ, drop the schema first",
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
        /// The error from SQLite.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Postgres refused, or the connection was lost.
    #[error("{store}: {source}; what was copied so far is kept: copy again to continue")]
    Target {
        /// The database.
        store: String,
        /// Its error.
        source: StoreError,
    },
}

crate::error_text::debug_is_display!(CopyError);

fn listed<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}
