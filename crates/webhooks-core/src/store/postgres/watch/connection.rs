//! The connection over which a node is looked after. It is kept from one heartbeat to the next, and every answer is
//! waited for only so long.

use std::time::Duration;

use super::Node;
use crate::store::{
    error::StoreError,
    postgres::{history::history_of, row::Reader},
};

/// How long to wait for an answer that should come quickly: after that time there is still enough left of this
/// node's lease to ask on another connection.
const ANSWER_WAIT: Duration = Duration::from_secs(4);

impl Node {
    /// Checks on each new connection whether another server took over; behind a pooler, where new connections
    /// are not visible, every time.
    pub(super) async fn look_at_history(&mut self) -> Result<(), StoreError> {
        let is_new = self.connection.is_none();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.of.connector.connect().await?,
        };
        connection.answers_within(self.answer_wait());
        if is_new || !self.of.connector.keeps_sessions() {
            self.history = history_of(&mut connection).await?;
            let membership = &self.of.membership;
            if !membership.follows(membership.node(), &self.history) {
                tracing::warn!(
                    history = self.history,
                    "a replica took over the database: unless it was synchronous, what it had not received is lost, \
                     even acknowledged events; this engine forgets what it had in memory"
                );
            }
        }
        self.connection = Some(connection);
        Ok(())
    }

    pub(super) fn answer_wait(&self) -> Duration {
        ANSWER_WAIT.min(self.of.connector.answer_limit)
    }

    pub(super) async fn begin(&mut self) -> Result<Reader<'_>, StoreError> {
        self.begin_within(self.answer_wait()).await
    }

    /// Begins a transaction in which each statement must be answered within `limit`.
    pub(super) async fn begin_within(&mut self, limit: Duration) -> Result<Reader<'_>, StoreError> {
        if self.connection.is_none() {
            self.look_at_history().await?;
        }
        let connection = self.connection.as_mut().ok_or(StoreError::Closed)?;
        connection.answers_within(limit);
        self.of.connector.begin_on(connection).await
    }

    pub(super) async fn commit(&mut self) -> Result<(), StoreError> {
        if let Some(connection) = &mut self.connection {
            connection.execute("commit").await?;
        }
        Ok(())
    }
}
