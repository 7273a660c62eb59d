//! What the writer does when the place of this engine among the nodes changes: others join or leave, it was taken for
//! dead and is now another node, or it shuts down.

use super::{bell::Concerned, sweep::Sweep, writer::State};
use crate::store::error::StoreError;

impl State {
    /// Gives each endpoint that has no limit of its own this engine's share, after engines have joined or left.
    pub(super) fn share_in_flight(&mut self) {
        let share = self.endpoints.reader.in_flight_share();
        if share == self.in_flight {
            return;
        }
        self.in_flight = share;
        for outbox in self.endpoints.cache.outboxes() {
            if outbox.endpoint().shares {
                outbox.set_in_flight(usize::try_from(share).unwrap_or(1));
            }
        }
    }

    /// This engine was declared dead, and is now another node. What it had in memory may belong to somebody else:
    /// it goes back, and changes nothing that was claimed since.
    pub(super) fn rejoined(&mut self) {
        self.node = self.membership.node();
        self.lane_floors.clear();
        self.commit.claim_as(self.node);
        // It is not known what happened meanwhile, nor whether what was seen before ever happened.
        self.endpoints.version = None;
        self.sweep = Sweep::default();
        for outbox in self.endpoints.cache.outboxes() {
            let given = outbox.give_all_back(self.host.timeline.now());
            self.commit.take_back(&outbox, given);
        }
    }

    /// This engine shuts down: what is still claimed is free at once.
    pub(super) async fn leave(&mut self) {
        let left = self.left().await;
        if let Err(error) = left {
            tracing::warn!(%error, "what this engine held could not be freed at once; it will be when its lease ends");
        }
    }

    async fn left(&mut self) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        let mut reader = self.connector.begin_on(&mut connection).await?;
        reader
            .leave(self.membership.node(), self.host.timeline.now())
            .await?;
        connection.execute("commit").await?;
        // The task that sends other notifications may have ended.
        let channel = self.connector.address.schema.name();
        if let Some(notify) = Concerned::All.notification(channel) {
            connection.execute(sqlx::AssertSqlSafe(notify)).await?;
        }
        connection.close().await
    }
}
