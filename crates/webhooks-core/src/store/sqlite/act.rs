//! Anything that changes the store and is not a plain send or completion: claims, settings of
//! endpoints, the app's own transactions.

use rusqlite::Connection;

use super::{guard::Guard, writer::Commit};
use crate::{engine::Shared, store::error::StoreError};

/// What runs on the writer thread inside a savepoint, and what is done once it is committed.
pub(crate) struct Act(Box<Work>);

/// `None` in place of the context: do nothing, the transaction has failed already.
type Work = dyn FnOnce(Option<&mut ActContext<'_>>) -> AfterCommit + Send;

/// What an act can use.
pub(crate) struct ActContext<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) shared: &'a std::sync::Arc<Shared>,
    pub(crate) commit: &'a mut Commit,
    pub(crate) endpoints: &'a mut super::endpoints::EndpointCache,
    pub(crate) sweep: &'a mut super::retention::Sweep,
    pub(crate) guard: &'a Guard,
}

impl ActContext<'_> {
    /// The same, for as long as it is lent.
    pub(crate) fn lend(&mut self) -> ActContext<'_> {
        ActContext {
            connection: self.connection,
            shared: self.shared,
            commit: self.commit,
            endpoints: self.endpoints,
            sweep: self.sweep,
            guard: self.guard,
        }
    }
}

/// Told whether the commit came true.
pub(crate) type AfterCommit = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// How an act ends that has its own kind of error.
pub(crate) type ActResult<T, E> = Result<T, E>;

impl Act {
    /// An act with an answer. What it wrote is kept only when it returns `Ok`; the answer is
    /// given only once that is on disk.
    pub(crate) fn new<T, E>(
        work: impl FnOnce(&mut ActContext<'_>) -> ActResult<T, E> + Send + 'static,
        reply: impl FnOnce(ActResult<T, E>) + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        Self(Box::new(move |context| {
            let result = match context {
                Some(context) => Some(in_savepoint(context, work)),
                None => {
                    contain(|| drop(work));
                    None
                }
            };
            Box::new(move |committed| {
                reply(match (result, committed) {
                    (Some(Ok(_)) | None, Err(error)) => Err(error.into()),
                    (Some(result), _) => result,
                    (None, Ok(())) => Err(StoreError::RolledBack.into()),
                });
            })
        }))
    }

    pub(crate) fn run(self, context: &mut ActContext<'_>) -> AfterCommit {
        (self.0)(Some(context))
    }

    /// Nothing is done; the reply is told the error.
    pub(crate) fn refuse(self) -> AfterCommit {
        (self.0)(None)
    }
}

/// Runs what may drop an app's own value: a panic in it must not take the writer with it.
pub(crate) fn contain(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!(
            "a value of the app's own panicked when it was dropped on the writer thread"
        );
    }
}

fn in_savepoint<T, E: From<StoreError>>(
    context: &mut ActContext<'_>,
    work: impl FnOnce(&mut ActContext<'_>) -> ActResult<T, E>,
) -> ActResult<T, E> {
    let store = |error: rusqlite::Error| E::from(StoreError::from(error));
    let mark = context.commit.mark();
    context
        .connection
        .execute_batch("savepoint webhooks_act")
        .map_err(store)?;
    // A panic in the app's own closure must not take the writer with it.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(context)))
        .unwrap_or_else(|_| Err(E::from(StoreError::Panicked)));
    if context.connection.is_autocommit() {
        // SQLite has rolled everything back, as on a full disk: the savepoint is gone too.
        context.commit.roll_back_to(context.shared, mark);
        return outcome.and(Err(E::from(StoreError::RolledBack)));
    }
    if outcome.is_ok() {
        context
            .connection
            .execute_batch("release webhooks_act")
            .map_err(store)?;
    } else {
        context.commit.roll_back_to(context.shared, mark);
        context
            .connection
            .execute_batch("rollback to webhooks_act; release webhooks_act")
            .map_err(store)?;
        context.endpoints.rolled_back(context.connection);
    }
    outcome
}
