//! A connection of ours, on which we never wait for an answer without a limit.
//!
//! A network can lose everything without closing anything. The server's own timeouts do not help then, because
//! what they report is lost as well. Waiting for such a connection never ends, and if it is the writer's,
//! everybody is held up. So a statement that is not answered in time ends its connection, as if that had been
//! closed.
//!
//! What fails here fails with an error of the store.

use std::{
    io::{Error as IoError, ErrorKind},
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection, Executor, FromRow, PgConnection, Postgres, SqlSafeStr,
    postgres::{PgArguments, PgRow},
    query::Query,
    raw_sql,
};

use super::error::store_error;
use crate::store::error::StoreError;

/// How long to wait for an answer, unless a session sets another limit: longer than the server lets a statement
/// run, because the server's own error says more.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The same for a connection that was not used for [`IDLE_AFTER`]: something in between may have dropped it, and
/// the first statement on a reused connection is a quick one.
const IDLE_ANSWER_LIMIT: Duration = Duration::from_secs(3);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// What we wait for on an open connection.
pub(super) const ANSWER: &str = "answer";

/// A connection of ours.
#[derive(Debug)]
pub(crate) struct Session {
    connection: PgConnection,
    limit: Duration,
    answered_at: Instant,
    /// It has not answered in time: whatever still arrives answers an earlier statement.
    is_silent: bool,
    /// Its number among the connections on which its node has written, if it is one.
    writer: Option<i64>,
}

/// Where a statement runs.
pub(crate) trait Link: Send {
    /// # Errors
    /// It has not answered in time before.
    fn line(&mut self) -> Result<Line<'_>, StoreError>;
}

/// A connection that may be used now.
pub(crate) struct Line<'a> {
    connection: &'a mut PgConnection,
    /// How long it may take to answer, and where to note whether it did.
    limit: Option<Limit<'a>>,
}

struct Limit<'a> {
    wait: Duration,
    answered_at: &'a mut Instant,
    is_silent: &'a mut bool,
}

impl Link for Session {
    fn line(&mut self) -> Result<Line<'_>, StoreError> {
        if self.is_silent {
            return Err(store_error(late(ANSWER, self.limit)));
        }
        let is_idle = self.answered_at.elapsed() >= IDLE_AFTER;
        Ok(Line {
            connection: &mut self.connection,
            limit: Some(Limit {
                wait: if is_idle {
                    self.limit.min(IDLE_ANSWER_LIMIT)
                } else {
                    self.limit
                },
                answered_at: &mut self.answered_at,
                is_silent: &mut self.is_silent,
            }),
        })
    }
}

/// A connection of an app: the app decides how long to wait.
impl Link for PgConnection {
    fn line(&mut self) -> Result<Line<'_>, StoreError> {
        Ok(Line {
            connection: self,
            limit: None,
        })
    }
}

impl<'a> Line<'a> {
    async fn ask<T, F>(self, run: impl FnOnce(&'a mut PgConnection) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        let answer = run(self.connection);
        let answer = match self.limit {
            None => answer.await,
            Some(limit) => {
                let answer = tokio::time::timeout(limit.wait, answer).await;
                *limit.answered_at = Instant::now();
                answer.unwrap_or_else(|_| {
                    *limit.is_silent = true;
                    Err(late(ANSWER, limit.wait))
                })
            }
        };
        answer.map_err(store_error)
    }
}

impl dyn Link + '_ {
    /// Runs statements without parameters.
    pub(crate) async fn execute(
        &mut self,
        statements: impl SqlSafeStr + Send,
    ) -> Result<(), StoreError> {
        let statements = raw_sql(statements);
        let run = |connection| Executor::execute(connection, statements);
        self.line()?.ask(run).await?;
        Ok(())
    }
}

impl Session {
    /// A connection that answers within `limit`, or is given up.
    pub(crate) fn new(connection: PgConnection, limit: Duration) -> Self {
        Self {
            connection,
            limit,
            answered_at: Instant::now(),
            is_silent: false,
            writer: None,
        }
    }

    /// From now on a node writes on it; `writer` is its number among those of the node.
    pub(crate) fn writes_as(&mut self, writer: Option<i64>) {
        self.writer = writer;
    }

    /// Its number among the connections on which its node writes. Also `None` if it was not used for long, because
    /// then it may be gone.
    pub(crate) fn writer(&self) -> Option<i64> {
        let is_fresh = self.answered_at.elapsed() < IDLE_AFTER;
        self.writer.filter(|_| is_fresh && !self.is_silent)
    }

    /// Sets how long it may take to answer from here on.
    pub(crate) fn answers_within(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Runs statements without parameters.
    pub(crate) async fn execute(
        &mut self,
        statements: impl SqlSafeStr + Send,
    ) -> Result<(), StoreError> {
        let link: &mut dyn Link = self;
        link.execute(statements).await
    }

    /// Runs statements without parameters. Returns the first row.
    pub(crate) async fn read_row<T>(
        &mut self,
        statements: impl SqlSafeStr + Send,
    ) -> Result<T, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let statements = raw_sql(statements);
        let run = |connection| Executor::fetch_one(connection, statements);
        read(&self.line()?.ask(run).await?)
    }

    /// Ends the session properly, and closes the connection.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        if self.is_silent {
            return Err(store_error(late(ANSWER, self.limit)));
        }
        let closed = within(self.limit, ANSWER, self.connection.close()).await;
        closed.map_err(store_error)
    }
}

/// A statement, and the values bound to it.
pub(crate) struct Statement(Query<'static, Postgres, PgArguments>);

impl Statement {
    pub(crate) fn new(statement: impl SqlSafeStr) -> Self {
        Self(sqlx::query(statement))
    }

    /// A statement that was put together here.
    pub(crate) fn built(statement: String) -> Self {
        Self::new(AssertSqlSafe(statement))
    }

    /// Whether it stays prepared.
    pub(crate) fn persistent(self, is_persistent: bool) -> Self {
        Self(self.0.persistent(is_persistent))
    }

    pub(crate) fn bind<'t, T>(self, value: T) -> Self
    where
        T: sqlx::Encode<'t, Postgres> + sqlx::Type<Postgres>,
    {
        Self(self.0.bind(value))
    }

    /// Returns how many rows it changed.
    pub(crate) async fn execute(self, on: &mut dyn Link) -> Result<u64, StoreError> {
        let done = on.line()?.ask(|line| self.0.execute(line)).await?;
        Ok(done.rows_affected())
    }

    /// The first row of a query that has one.
    pub(crate) async fn read_row<T>(self, on: &mut dyn Link) -> Result<T, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        read(&on.line()?.ask(|line| self.0.fetch_one(line)).await?)
    }

    /// The first row of a query, if there is one.
    pub(crate) async fn find_row<T>(self, on: &mut dyn Link) -> Result<Option<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let row = on.line()?.ask(|line| self.0.fetch_optional(line)).await?;
        row.as_ref().map(read).transpose()
    }

    /// All rows of a query.
    pub(crate) async fn read_rows<T>(self, on: &mut dyn Link) -> Result<Vec<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let rows = on.line()?.ask(|line| self.0.fetch_all(line)).await?;
        rows.iter().map(read).collect()
    }

    /// The first column of the first row of a query that has one.
    pub(crate) async fn read_value<T>(self, on: &mut dyn Link) -> Result<T, StoreError>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        let (value,) = self.read_row(on).await?;
        Ok(value)
    }

    /// The first column of the first row of a query, if there is one.
    pub(crate) async fn find_value<T>(self, on: &mut dyn Link) -> Result<Option<T>, StoreError>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        let row = self.find_row(on).await?;
        Ok(row.map(|(value,)| value))
    }

    /// The first column of all rows of a query.
    pub(crate) async fn read_values<T>(self, on: &mut dyn Link) -> Result<Vec<T>, StoreError>
    where
        (T,): for<'r> FromRow<'r, PgRow>,
    {
        let rows = self.read_rows(on).await?;
        Ok(rows.into_iter().map(|(value,)| value).collect())
    }

    /// Whether a query has a row.
    pub(crate) async fn has_row(self, on: &mut dyn Link) -> Result<bool, StoreError> {
        let row: Option<()> = self.find_row(on).await?;
        Ok(row.is_some())
    }
}

fn read<T>(row: &PgRow) -> Result<T, StoreError>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    T::from_row(row).map_err(store_error)
}

/// Waits no longer than `limit` for `what`.
pub(super) async fn within<T>(
    limit: Duration,
    what: &str,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let answer = tokio::time::timeout(limit, answer).await;
    answer.unwrap_or_else(|_| Err(late(what, limit)))
}

fn late(what: &str, limit: Duration) -> sqlx::Error {
    sqlx::Error::Io(IoError::new(
        ErrorKind::TimedOut,
        format!("no {what} within {} s", limit.as_secs_f64()),
    ))
}
