//! An open transaction, and what can be done within it.

use rusqlite::Connection;

use super::{
    endpoints::Endpoints, guard::Guard, sequence::Sequence, statement::Statements, sweep::Sweep,
};
use crate::store::{
    commit::{Commit, CommitMark},
    error::StoreError,
    host::Host,
};

/// An open transaction on the writer's connection.
pub(crate) struct Tx<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) host: &'a Host,
    pub(crate) commit: &'a mut Commit,
    pub(crate) sequence: &'a mut Sequence,
    pub(crate) endpoints: &'a mut Endpoints,
    pub(crate) sweep: &'a mut Sweep,
    pub(crate) guard: &'a Guard,
}

impl Tx<'_> {
    /// The same transaction, for as long as it is lent.
    pub(crate) fn lend(&mut self) -> Tx<'_> {
        Tx {
            connection: self.connection,
            host: self.host,
            commit: self.commit,
            sequence: self.sequence,
            endpoints: self.endpoints,
            sweep: self.sweep,
            guard: self.guard,
        }
    }

    /// Takes back what would follow from what is rolled back.
    pub(crate) fn roll_back_to(&mut self, mark: CommitMark) {
        self.commit.roll_back_to(mark);
        self.sequence.rolled_back();
    }

    /// The time on the timeline.
    pub(super) fn now(&self) -> i64 {
        self.host.timeline.now()
    }

    /// Does `work` within a savepoint: what it wrote is kept only if it returns `Ok`.
    pub(super) fn in_savepoint<T, E: From<StoreError>>(
        &mut self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mark = self.commit.mark();
        self.connection.run_batch("savepoint webhooks_act")?;
        // A panic in the app's own closure must not take down the writer.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)))
            .unwrap_or_else(|_| Err(E::from(StoreError::Panicked)));
        if self.connection.is_autocommit() {
            // SQLite has rolled everything back, as on a full disk: the savepoint is gone too.
            self.roll_back_to(mark);
            return outcome.and(Err(E::from(StoreError::RolledBack)));
        }
        if outcome.is_ok() {
            self.connection.run_batch("release webhooks_act")?;
        } else {
            self.roll_back_to(mark);
            self.connection
                .run_batch("rollback to webhooks_act; release webhooks_act")?;
            self.endpoints.rolled_back(self.connection);
        }
        outcome
    }
}
