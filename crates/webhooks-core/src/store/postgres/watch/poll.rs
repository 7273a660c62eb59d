//! Polling the database for what notifications do not tell, or did not: rows of the outbox table, what other nodes
//! made due, and changed endpoints.

use std::sync::atomic::Ordering;

use super::{Found, Node};
use crate::{
    model::outbox_rows::TakenRows,
    store::{ask::Ask, error::StoreError, lease::since_start, postgres::floor::Look},
};

impl Node {
    /// Takes what waits in the outbox table, and wakes the due loop for what others made due.
    pub(super) async fn poll(&mut self) -> Result<Found, StoreError> {
        let now = self.of.timeline.now();
        let node = self.of.membership.node();
        let heard_of = self.of.membership.version();
        let due_from = self.due_looks.from(since_start());
        let mut reader = self.begin().await?;
        let (began, from) = (since_start(), due_from.map(|from| from.unwrap_or(i64::MIN)));
        let first_due = reader.first_due((node, now), from).await?;
        let took = since_start().saturating_sub(began);
        let (waits, version): (bool, i64) = reader
            .query(
                "select exists (select 1 from webhooks.outbox where refused is null),
                        (select version from webhooks.change)",
            )
            .read_row(reader.connection)
            .await?;
        self.commit().await?;
        self.due_looks.looked(
            due_from,
            Look { began, took },
            (first_due, now),
            &self.of.membership.due_floors,
        );
        let due_at = first_due.into_iter().flatten().min();
        let has_changed = heard_of != Some(version);
        if has_changed {
            // The writer hears of the change with its next transaction.
            self.ask(Ask::NoteClock).await?;
        }
        self.note_heard(node).await?;
        if let Some(at) = due_at {
            self.of.due.by(at);
        }
        if waits && self.take_rows().await? == Found::More {
            return Ok(Found::More);
        }
        let is_due = due_at.is_some_and(|at| at <= now);
        Ok(if has_changed || waits || is_due {
            Found::Something
        } else {
            Found::Nothing
        })
    }

    /// Takes what waits in the outbox table, but only until the next heartbeat is due: it can be a lot.
    async fn take_rows(&self) -> Result<Found, StoreError> {
        loop {
            let taken: Option<TakenRows> = self.ask(Ask::TakeRows).await?;
            let more = taken.is_some_and(|taken| taken.more);
            if !more || self.stop.asked.load(Ordering::Acquire) {
                return Ok(Found::Something);
            }
            if since_start() >= self.beat_at {
                return Ok(Found::More);
            }
        }
    }

    /// Records which changes this node has heard of, for those who wait until every node has.
    async fn note_heard(&mut self, node: i64) -> Result<(), StoreError> {
        let Some(version) = self.of.membership.version() else {
            return Ok(());
        };
        if self.told_heard == (node, version) {
            return Ok(());
        }
        let mut reader = self.begin().await?;
        reader.note_heard(node, version).await?;
        self.commit().await?;
        self.told_heard = (node, version);
        Ok(())
    }
}
