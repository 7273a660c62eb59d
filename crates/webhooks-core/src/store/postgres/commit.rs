//! Committing, and finding out whether a commit took effect when its answer was lost with the connection.

use std::time::{Duration, Instant};

use super::{
    connection::Connector,
    error::is_lost,
    head,
    membership::Membership,
    session::Session,
    witness::{Outcome, Witness},
};
use crate::store::error::StoreError;

/// For how long to try to find out whether a commit whose answer was lost took effect, as a multiple of the
/// wait for an answer. Callers wait meanwhile.
const OUTCOME_LIMITS: u32 = 2;
/// Between two tries.
const OUTCOME_PAUSE: Duration = Duration::from_millis(200);

/// How a transaction ended.
pub(super) enum Ended {
    Committed,
    /// Nothing of it is stored.
    Failed(StoreError),
}

/// What became of a transaction whose answer was lost.
pub(super) enum Settled {
    /// With the number of the event that proves it, if there is one.
    Committed(Option<i64>),
    RolledBack,
    /// Nothing of it counts.
    Failed(StoreError),
}

/// A transaction of a node that is to be committed.
pub(super) struct Committing<'a> {
    pub(super) connector: &'a Connector,
    pub(super) membership: &'a Membership,
    pub(super) node: i64,
    pub(super) witness: Option<Witness>,
}

impl Committing<'_> {
    /// Commits it on its connection; afterwards `held` is a usable connection, or none.
    pub(super) async fn commit(mut self, held: &mut Option<Session>) -> Ended {
        let Some(connection) = held else {
            return Ended::Failed(StoreError::Closed);
        };
        // After an error in the transaction, a commit rolls back without returning an error: the select returns
        // one.
        match connection.execute("select 1; commit").await {
            Ok(()) => Ended::Committed,
            Err(error) if is_lost(&error) => {
                *held = None;
                match self.settle(held, &error).await {
                    Settled::Committed(_) => Ended::Committed,
                    Settled::RolledBack => Ended::Failed(error),
                    Settled::Failed(error) => Ended::Failed(error),
                }
            }
            Err(error) => Ended::Failed(error),
        }
    }

    /// Whether a transaction was committed whose answer was lost with its connection. A caller is never told
    /// that its call was stored, or that it was not, without this check. If it is not possible, this node gives up
    /// its number, and with it what it may have claimed.
    pub(super) async fn settle(
        &mut self,
        held: &mut Option<Session>,
        lost: &StoreError,
    ) -> Settled {
        let Some(witness) = self.witness.take() else {
            // It claimed nothing, and everything it did can be done again.
            return Settled::Failed(StoreError::Unknown);
        };
        tracing::warn!(error = %lost, "the connection was lost during a commit; checking whether it took effect");
        let until = Instant::now() + OUTCOME_LIMITS * self.connector.answer_limit;
        // A limit of time and not of tries: each may take as long as an answer may.
        while Instant::now() < until {
            match self.look_up(&witness).await {
                Ok((connection, outcome)) => {
                    *held = connection;
                    return match outcome {
                        Outcome::Committed(number) => Settled::Committed(number),
                        Outcome::RolledBack => Settled::RolledBack,
                        Outcome::Fenced => {
                            self.membership.fenced(self.node);
                            Settled::Failed(StoreError::Fenced)
                        }
                    };
                }
                // For example because the server has not noticed yet that the connection is gone.
                Err(error) => {
                    tracing::debug!(%error, "the outcome of a commit could not be looked up");
                }
            }
            tokio::time::sleep(OUTCOME_PAUSE).await;
        }
        self.membership.fenced(self.node);
        Settled::Failed(StoreError::Unknown)
    }

    /// Looks on a connection of its own, which it returns if this node can continue with it.
    async fn look_up(&self, witness: &Witness) -> Result<(Option<Session>, Outcome), StoreError> {
        let (mut connection, follows) =
            head::connect(self.connector, self.membership, self.node).await?;
        let mut reader = self.connector.begin_on(&mut connection).await?;
        let outcome = reader.outcome(self.node, witness).await?;
        connection.execute("commit").await?;
        Ok((follows.then_some(connection), outcome))
    }
}
