//! An open transaction, and what can be done within it.

use std::{collections::BTreeSet, time::Duration};

use super::{
    bell::Concerned,
    connection::LOCK_LIMIT,
    favourites::Favourites,
    floor::{DueFloors, LaneFloors},
    held_lanes::HeldLanes,
    schema::Schema,
    session::{Session, Statement},
    sweep::Sweep,
    witness::Witness,
};
use crate::store::{
    commit::{Commit, CommitMark},
    endpoint_cache::EndpointCache,
    endpoint_row::EndpointReader,
    error::StoreError,
    host::Host,
};

/// The endpoints in use, and how others are read.
pub(super) struct Endpoints {
    pub(super) reader: EndpointReader,
    pub(super) cache: EndpointCache,
    /// The version of all endpoints up to which memory has heard of changes.
    pub(super) version: Option<i64>,
    /// The version to which the current transaction raised that, if memory knows of every earlier change. It
    /// counts only once it is committed: otherwise another transaction's change gets the same number.
    pub(super) told: Option<i64>,
    /// Those that the current transaction changed.
    pub(super) changed: BTreeSet<i64>,
}

/// An open transaction on the writer's connection.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a mut Session,
    pub(super) schema: &'a Schema,
    pub(super) host: &'a Host,
    pub(super) commit: &'a mut Commit,
    pub(super) endpoints: &'a mut Endpoints,
    pub(super) sweep: &'a mut Sweep,
    pub(super) due_floors: &'a DueFloors,
    pub(super) favourites: &'a Favourites,
    pub(super) lane_floors: &'a mut LaneFloors,
    /// The lanes that it has locked.
    pub(super) lanes: &'a mut HeldLanes,
    /// The evidence of whether it was committed, in case its answer is lost.
    pub(super) witness: &'a mut Option<Witness>,
    /// The other nodes that it concerns.
    pub(super) concerned: &'a mut Concerned,
    /// This engine's number among the nodes.
    pub(super) node: i64,
    /// Whether statements have names.
    pub(super) names_statements: bool,
}

/// What memory was like at a savepoint.
pub(super) struct Savepoint {
    mark: CommitMark,
    touched: usize,
    witness: Option<Witness>,
    lanes: HeldLanes,
}

/// What to keep of what was written within a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    All,
    Nothing,
}

impl Tx<'_> {
    /// A statement of this schema.
    pub(super) fn query(&self, statement: &'static str) -> Statement {
        self.schema
            .query(statement)
            .persistent(self.names_statements)
    }

    /// Notes evidence that this transaction was committed.
    pub(super) fn leaves(&mut self, witness: Witness) {
        *self.witness = self.witness.take().max(Some(witness));
    }

    /// The time on the timeline.
    pub(super) fn now(&self) -> i64 {
        self.host.timeline.now()
    }

    /// Does `work` within a savepoint: what it wrote is kept only if it returns `Ok`.
    pub(super) async fn in_savepoint<T, E: From<StoreError>>(
        &mut self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let savepoint = self.savepoint().await?;
        let outcome = work(self).await;
        if outcome.is_ok() {
            self.connection.execute("release webhooks_ask").await?;
        } else {
            self.roll_back_to(savepoint).await?;
        }
        outcome
    }

    /// Makes it possible to take back by itself what is written from here on.
    pub(super) async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        self.connection.execute("savepoint webhooks_ask").await?;
        Ok(Savepoint {
            mark: self.commit.mark(),
            touched: self.commit.touched.len(),
            witness: self.witness.clone(),
            lanes: self.lanes.clone(),
        })
    }

    /// Takes back what was written since the last savepoint, which is over.
    pub(super) async fn roll_back_to(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        self.commit.roll_back_to(savepoint.mark);
        *self.witness = savepoint.witness;
        *self.lanes = savepoint.lanes;
        self.connection
            .execute("rollback to webhooks_ask; release webhooks_ask")
            .await?;
        for outbox in self.commit.touched.split_off(savepoint.touched) {
            self.commit.follow(&outbox, outbox.lane_is_uncertain());
        }
        self.rolled_back().await;
        Ok(())
    }

    /// Does `work` within a savepoint, in which it waits for no lock longer than `wait`. If it does not get one by
    /// then, nothing of it is left, and this returns `None`: whoever holds the lock may be waiting for one that
    /// this transaction holds.
    pub(super) async fn unless_busy<T>(
        &mut self,
        wait: Duration,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<(T, Keep), StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let wait_ms = wait.as_millis();
        let begin = format!("savepoint webhooks_wait; set local lock_timeout = '{wait_ms}ms'");
        self.connection.execute(sqlx::AssertSqlSafe(begin)).await?;
        let (done, keep) = match work(self).await {
            Ok((done, keep)) => (Some(done), keep),
            Err(StoreError::Busy) => (None, Keep::Nothing),
            Err(error) => return Err(error),
        };
        let end = match keep {
            // The previous setting applies again.
            Keep::Nothing => "rollback to webhooks_wait; release webhooks_wait".to_owned(),
            Keep::All => {
                format!("release webhooks_wait; set local lock_timeout = '{LOCK_LIMIT}'")
            }
        };
        self.connection.execute(sqlx::AssertSqlSafe(end)).await?;
        Ok(done)
    }

    /// After a rollback: what had changed of endpoints is read as it was before.
    pub(super) async fn rolled_back(&mut self) {
        for key in self.endpoints.cache.rolled_back() {
            if let Err(error) = self.reload(key).await {
                tracing::error!(%error, "an endpoint could not be read again after a rollback");
                self.endpoints.cache.read_later(key);
            }
        }
        // Those that the transaction removed before this ask stay removed. They are few.
        let removed = self.removed_keys().await;
        self.endpoints
            .cache
            .retain_removed(|key| removed.contains(&key));
    }
}
