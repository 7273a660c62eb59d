//! Connections to Postgres: our own, never an app's.

use std::time::Duration;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as crypto;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as crypto;
use sqlx::{
    ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    address::{Mode, PostgresAddress},
    error::store_error,
    row::Reader,
    session::{Link, Session, within},
};
use crate::store::{durability::Durability, error::StoreError};

/// Statements that one connection keeps prepared: there are about a hundred.
const STATEMENTS_MAX: usize = 256;
/// How long connecting may take.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long to wait for a lock.
pub(super) const LOCK_LIMIT: &str = "2s";

/// The settings of a session. The planner is restricted: a plan that was made while a table was empty
/// must not read all of it once it has grown, and none of our statements is better off without its
/// index. The timeouts are only bounds: no statement takes long.
const SETTINGS: [(&str, &str); 8] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("statement_timeout", "10s"),
    ("lock_timeout", LOCK_LIMIT),
    ("idle_in_transaction_session_timeout", "5s"),
];

/// How connections are made.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: PostgresAddress,
    pub(crate) durability: Durability,
    /// How long to wait for an answer.
    pub(crate) answer_limit: Duration,
}

impl Connector {
    /// A new connection, with our settings.
    pub(crate) async fn connect(&self) -> Result<Session, StoreError> {
        let options = self.options();
        if matches!(options.get_ssl_mode(), PgSslMode::VerifyCa) {
            // Here the driver uses the default of the process. Without one it takes the provider whose feature is on,
            // and panics if both are.
            let _ = crypto::default_provider().install_default();
        }
        let connecting = PgConnection::connect_with(&options);
        let connected = within(CONNECT_WAIT, "connection", connecting).await;
        let connection = connected.map_err(store_error)?;
        let mut connection = Session::new(connection, self.answer_limit);
        if self.address.mode == Mode::Direct {
            connection
                .execute(sqlx::AssertSqlSafe(self.settings("set")))
                .await?;
        }
        Ok(connection)
    }

    /// How a connection is made, without our settings.
    pub(crate) fn options(&self) -> PgConnectOptions {
        let options = self
            .address
            .options
            .clone()
            .statement_cache_capacity(STATEMENTS_MAX)
            .disable_statement_logging();
        if options.get_application_name().is_none() {
            return options.application_name("webhooks-core");
        }
        options
    }

    /// For statements on our schema, on a connection of ours or of an app.
    pub(crate) fn reader<'a>(&'a self, connection: &'a mut dyn Link) -> Reader<'a> {
        Reader {
            connection,
            schema: &self.address.schema,
            names_statements: self.names_statements(),
        }
    }

    /// The same, in a new transaction on a connection of ours.
    pub(crate) async fn begin_on<'a>(
        &'a self,
        connection: &'a mut Session,
    ) -> Result<Reader<'a>, StoreError> {
        connection
            .execute(sqlx::AssertSqlSafe(self.begin()))
            .await?;
        Ok(self.reader(connection))
    }

    /// The statement that begins a transaction.
    pub(crate) fn begin(&self) -> String {
        match self.address.mode {
            Mode::Direct => "begin".to_owned(),
            // Session settings would next apply to another program.
            Mode::Pooled => format!("begin; {}", self.settings("set local")),
        }
    }

    /// Whether statements have names.
    pub(crate) fn names_statements(&self) -> bool {
        self.address.mode == Mode::Direct
    }

    /// Whether a connection stays ours between two transactions: only then can it listen.
    pub(crate) fn keeps_sessions(&self) -> bool {
        self.address.mode == Mode::Direct
    }

    fn settings(&self, set: &str) -> String {
        let durability = match self.durability {
            Durability::Full => None,
            Durability::Normal => Some(("synchronous_commit", "off")),
        };
        SETTINGS
            .into_iter()
            .chain(durability)
            .map(|(name, value)| format!("{set} {name} = '{value}'; "))
            .collect()
    }
}
