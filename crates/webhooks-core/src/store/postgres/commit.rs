//! Committing, and finding out whether it came true when the answer is lost with its connection.

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

/// For how many times as long as for an answer it is tried to learn whether a commit came true whose
/// answer was lost. Callers wait.
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
    /// With the number of the event by which it is known, if there is one.
    Committed(Option<i64>),
    RolledBack,
    /// Nothing of it counts.
    Failed(StoreError),
}

/// A node's transaction that is to be committed.
pub(super) struct Committing<'a> {
    pub(super) connector: &'a Connector,
    pub(super) membership: &'a Membership,
    pub(super) node: i64,
    pub(super) witness: Option<Witness>,
}

impl Committing<'_> {
    /// Commits it on the connection that it is on; afterwards that is one that can be used, or none.
    pub(super) async fn commit(mut self, held: &mut Option<Session>) -> Ended {
        let Some(connection) = held else {
            return Ended::Failed(StoreError::Closed);
        };
        // A commit of a transaction that an error has ended rolls it back, and is no error itself: the
        // select is.
        let committed = connection.execute("select 1; commit").await;
        match committed {
            Ok(_) => Ended::Committed,
            Err(error) if is_lost(&error) => {
                *held = None;
                match self.settle(held, &error).await {
                    Settled::Committed(_) => Ended::Committed,
                    Settled::RolledBack => Ended::Failed(error.into()),
                    Settled::Failed(error) => Ended::Failed(error),
                }
            }
            Err(error) => Ended::Failed(error.into()),
        }
    }

    /// Whether a transaction was committed whose answer was lost with its connection. A caller is
    /// never told "stored", nor that nothing was, without having looked; when that cannot be done, this
    /// node gives its number up, and what it may have claimed with it.
    pub(super) async fn settle(
        &mut self,
        held: &mut Option<Session>,
        lost: &sqlx::Error,
    ) -> Settled {
        let Some(witness) = self.witness.take() else {
            // It claimed nothing, and whatever it did can be done again.
            return Settled::Failed(StoreError::Unknown);
        };
        tracing::warn!(error = %lost, "the connection was lost at a commit; looking whether it came true");
        let until = Instant::now() + OUTCOME_LIMITS * self.connector.answer_limit;
        // Not so many times: each try may take as long as an answer may.
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
                // Among them that the server has not noticed yet that the connection is gone.
                Err(error) => {
                    tracing::debug!(%error, "the outcome of a commit could not be looked up");
                }
            }
            tokio::time::sleep(OUTCOME_PAUSE).await;
        }
        self.membership.fenced(self.node);
        Settled::Failed(StoreError::Unknown)
    }

    /// Looks on a connection of its own, which it returns when this node can go on with it.
    async fn look_up(&self, witness: &Witness) -> Result<(Option<Session>, Outcome), StoreError> {
        let (mut connection, follows) =
            head::connect(self.connector, self.membership, self.node).await?;
        let mut reader = self.connector.begin_on(&mut connection).await?;
        let outcome = reader.outcome(self.node, witness).await?;
        connection.execute("commit").await?;
        Ok((follows.then_some(connection), outcome))
    }
}
