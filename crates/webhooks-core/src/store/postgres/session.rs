//! A connection of ours, on which no answer is waited for without a limit.
//!
//! A network can lose everything and close nothing. The server's own limits are of no use then: what
//! they say is lost as well. Who waits for such a connection waits for ever, and the writer's holds up
//! everybody. So a statement that is not answered in time ends its connection, as if it had been closed.

use std::{
    io::{Error as IoError, ErrorKind},
    time::{Duration, Instant},
};

use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Postgres, SqlSafeStr,
    postgres::{PgArguments, PgQueryResult, PgRow},
    query::Query,
    raw_sql,
};

/// How long an answer is waited for, unless a session is told otherwise: longer than the server lets a
/// statement run, whose own word is better.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// The same of a connection that was not used for [`IDLE_AFTER`]: what stands between may have forgotten
/// it, and who uses one again begins with a statement that takes no time.
const IDLE_ANSWER_LIMIT: Duration = Duration::from_secs(3);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// What is waited for on a connection that is there.
pub(super) const ANSWER: &str = "answer";

/// A connection of ours.
#[derive(Debug)]
pub(crate) struct Session {
    connection: PgConnection,
    limit: Duration,
    answered_at: Instant,
    /// It has not answered in time: whatever it still says answers something else.
    is_silent: bool,
    /// Which of the connections it is that its node has written on, where it is one.
    writer: Option<i64>,
}

/// Where a statement runs.
pub(crate) trait Link: Send {
    /// # Errors
    /// It did not answer in time before.
    fn line(&mut self) -> sqlx::Result<Line<'_>>;
}

/// A connection that may be used now.
pub(crate) struct Line<'a> {
    connection: &'a mut PgConnection,
    /// How long it may take to answer, and where it is noted whether it did.
    limit: Option<Limit<'a>>,
}

struct Limit<'a> {
    wait: Duration,
    answered_at: &'a mut Instant,
    is_silent: &'a mut bool,
}

impl Link for Session {
    fn line(&mut self) -> sqlx::Result<Line<'_>> {
        if self.is_silent {
            return Err(late(ANSWER, self.limit));
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

/// One of an app's: how long it waits is for the app to say.
impl Link for PgConnection {
    fn line(&mut self) -> sqlx::Result<Line<'_>> {
        Ok(Line {
            connection: self,
            limit: None,
        })
    }
}

impl<'a> Line<'a> {
    async fn ask<T, F>(self, run: impl FnOnce(&'a mut PgConnection) -> F) -> sqlx::Result<T>
    where
        F: Future<Output = sqlx::Result<T>>,
    {
        let answer = run(self.connection);
        let Some(limit) = self.limit else {
            return answer.await;
        };
        let answer = tokio::time::timeout(limit.wait, answer).await;
        *limit.answered_at = Instant::now();
        answer.unwrap_or_else(|_| {
            *limit.is_silent = true;
            Err(late(ANSWER, limit.wait))
        })
    }
}

impl dyn Link + '_ {
    /// Runs statements that are given no values.
    pub(crate) async fn execute(
        &mut self,
        statements: impl SqlSafeStr + Send,
    ) -> sqlx::Result<PgQueryResult> {
        let statements = raw_sql(statements);
        let run = |connection| Executor::execute(connection, statements);
        self.line()?.ask(run).await
    }
}

impl Session {
    /// A connection that answers within `limit`, or is done with.
    pub(crate) fn new(connection: PgConnection, limit: Duration) -> Self {
        Self {
            connection,
            limit,
            answered_at: Instant::now(),
            is_silent: false,
            writer: None,
        }
    }

    /// A node writes on it from now on: its number among those of the node.
    pub(crate) fn writes_as(&mut self, writer: Option<i64>) {
        self.writer = writer;
    }

    /// As which of its node's connections it writes. `None` too when it was not used for long: then it
    /// may be gone.
    pub(crate) fn writer(&self) -> Option<i64> {
        let is_fresh = self.answered_at.elapsed() < IDLE_AFTER;
        self.writer.filter(|_| is_fresh && !self.is_silent)
    }

    /// How long it may take to answer from here on.
    pub(crate) fn answers_within(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Runs statements that are given no values.
    pub(crate) async fn execute(
        &mut self,
        statements: impl SqlSafeStr + Send,
    ) -> sqlx::Result<PgQueryResult> {
        let link: &mut dyn Link = self;
        link.execute(statements).await
    }

    /// Runs statements that are given no values. Returns the first row.
    pub(crate) async fn fetch_one(
        &mut self,
        statements: impl SqlSafeStr + Send,
    ) -> sqlx::Result<PgRow> {
        let statements = raw_sql(statements);
        let run = |connection| Executor::fetch_one(connection, statements);
        self.line()?.ask(run).await
    }

    /// Says that it ends, and closes it.
    pub(crate) async fn close(self) -> sqlx::Result<()> {
        if self.is_silent {
            return Err(late(ANSWER, self.limit));
        }
        within(self.limit, ANSWER, self.connection.close()).await
    }
}

/// A statement, and the values it is given.
pub(crate) struct Statement(Query<'static, Postgres, PgArguments>);

impl Statement {
    pub(crate) fn new(statement: impl SqlSafeStr) -> Self {
        Self(sqlx::query(statement))
    }

    /// One that was put together here.
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

    pub(crate) async fn execute(self, on: &mut dyn Link) -> sqlx::Result<PgQueryResult> {
        on.line()?.ask(|line| self.0.execute(line)).await
    }

    pub(crate) async fn fetch_all(self, on: &mut dyn Link) -> sqlx::Result<Vec<PgRow>> {
        on.line()?.ask(|line| self.0.fetch_all(line)).await
    }

    /// # Errors
    /// Also when there is no row.
    pub(crate) async fn fetch_one(self, on: &mut dyn Link) -> sqlx::Result<PgRow> {
        on.line()?.ask(|line| self.0.fetch_one(line)).await
    }

    pub(crate) async fn fetch_optional(self, on: &mut dyn Link) -> sqlx::Result<Option<PgRow>> {
        on.line()?.ask(|line| self.0.fetch_optional(line)).await
    }
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
