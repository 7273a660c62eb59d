//! Why a store could not be opened.

use std::{sync::Arc, time::Duration};

use super::error::StoreError;

/// How long a statement waits for another program that has the file locked.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);

/// A store could not be opened.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address is not one of a known kind of store.
    #[error("store {0:?} is unknown: use {known}", known = known_addresses())]
    Address(String),
    /// The address of a Postgres database cannot be used.
    #[error("the address of the Postgres database cannot be used: {problem}")]
    PostgresAddress {
        /// What is wrong with it.
        problem: String,
    },
    /// Another process, or another engine in this one, has the file.
    #[error(
        "{file} is already in use by another process, or by this one; only one engine at a time delivers from a file. Stop it, or use another file"
    )]
    InUse {
        /// The database file.
        file: String,
    },
    /// Another program has the database locked: it is writing, or has left a transaction open.
    #[error(
        "{file} is locked by another program, which did not release it within {} s; end its transaction, or stop it",
        BUSY_WAIT.as_secs()
    )]
    Locked {
        /// The database file.
        file: String,
    },
    /// The file was written by a newer version.
    #[error(
        "{store} has schema version {found}; this version supports up to {known}. Use a newer version of webhooks-core"
    )]
    Newer {
        /// The database.
        store: String,
        /// The version found in it.
        found: i32,
        /// The newest version that is supported.
        known: i32,
    },
    /// The tables in Postgres are older than this version needs, or missing, and [`Builder::migrate`] is off.
    ///
    /// [`Builder::migrate`]: crate::Builder
    #[error(
        "{store} has version {found} of the tables in the schema {schema} (0 means none); this version of webhooks-core needs {known}. \
         Run the migrations above {found} from webhooks_core::postgres::migrations({schema:?}), in order, or leave Builder::migrate on"
    )]
    Older {
        /// The database.
        store: String,
        /// The schema of our tables.
        schema: String,
        /// The version found in it; 0 if there are no tables.
        found: i32,
        /// The version that is needed.
        known: i32,
    },
    /// The database is an app's, and already contains a name that the library needs.
    #[error(
        "{file} already has something named {name:?}, which is the name of a table or index of webhooks-core; rename yours, or use another file"
    )]
    NameTaken {
        /// The database file.
        file: String,
        /// The name.
        name: String,
    },
    /// The file is not a healthy database.
    #[error("{file} is damaged: {problem}. Restore it from a backup; nothing was changed")]
    Damaged {
        /// The database file.
        file: String,
        /// What SQLite found.
        problem: String,
    },
    /// The endpoints' secrets are sealed with another key, or are sealed and no key was given.
    #[error("the endpoints' secrets in {store} cannot be read: {problem}")]
    Key {
        /// The database.
        store: String,
        /// What is wrong.
        problem: String,
    },
    /// The file or its folder cannot be used.
    #[error("{file}: {source}")]
    Io {
        /// The database file.
        file: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The Postgres server does not answer.
    #[error(
        "{store} cannot be reached: {problem}; check that the server is running, and the host and port in the address"
    )]
    Unreachable {
        /// The database.
        store: String,
        /// What the operating system said.
        problem: String,
    },
    /// The server does not support TLS as the address requires, or its certificate is not trusted.
    #[error(
        "{store}: {problem}. Check sslmode in the address, and sslrootcert, the file with the certificate of the authority \
         that issued the server's; a server supports TLS with ssl = on"
    )]
    Tls {
        /// The database.
        store: String,
        /// What went wrong.
        problem: String,
    },
    /// A copy into the schema has begun and is not complete.
    #[error(
        "{store}: a store is being copied into the schema {schema}; let `webhooks_core::copy` finish, \
         calling it again if it was interrupted, or drop the schema"
    )]
    Copying {
        /// The database.
        store: String,
        /// The schema of our tables.
        schema: String,
    },
    /// The Postgres user lacks a right that the engine needs.
    #[error(
        "{store}: {problem}. The user must be allowed to create the schema {schema:?} or to use an existing one \
         (grant all on schema {schema} to the user), and must own its tables"
    )]
    Rights {
        /// The database.
        store: String,
        /// The schema of our tables.
        schema: String,
        /// What Postgres said.
        problem: String,
    },
    /// The Postgres server is too old.
    #[error("{store} is PostgreSQL {found}: 14 or newer is needed")]
    OldServer {
        /// The database.
        store: String,
        /// Its version.
        found: String,
    },
    /// Postgres has no connection left.
    #[error(
        "{store}: {problem}; an engine needs six connections: raise max_connections, or close other connections"
    )]
    TooManyConnections {
        /// The database.
        store: String,
        /// What Postgres said.
        problem: String,
    },
    /// Any other error from the database, as its driver's own error.
    #[error("{store}: {source}")]
    Database {
        /// The database.
        store: String,
        /// What its driver said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The store could not be taken over.
    #[error("{store}: {source}")]
    Store {
        /// The database.
        store: String,
        /// What the store said: for example that the disk is full.
        source: StoreError,
    },
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
    /// The retention is shorter than the time for which deliveries are retried.
    #[error(
        "a retention of {retention:?} is shorter than the retry schedule, which lasts {schedule:?}"
    )]
    Retention {
        /// What was asked for.
        retention: Duration,
        /// The shortest that works.
        schedule: Duration,
    },
}

crate::error_text::debug_is_display!(OpenError);

/// What an address can be, with the features that are on.
fn known_addresses() -> String {
    [
        #[cfg(feature = "sqlite")]
        "sqlite:<file> without options, sqlite::memory: for throwaway data",
        #[cfg(feature = "postgres")]
        "postgres://<user>:<password>@<host>/<database>",
        #[cfg(not(feature = "postgres"))]
        "postgres://<user>:<password>@<host>/<database> with the feature `postgres` of webhooks-core",
    ]
    .join(", or ")
}
