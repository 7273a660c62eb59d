//! Sharing out this node's lanes, between two heartbeats.

use std::{sync::Arc, time::Duration};

use super::Node;
use crate::store::{
    ask::Ask,
    error::StoreError,
    lease::since_start,
    postgres::balance::{LaneSlice, heard_within},
};

/// How long to wait for an answer that is not urgent.
const LANES_WAIT: Duration = Duration::from_secs(1);

impl Node {
    /// Notes among which nodes lanes are shared out: those that were heard from, and are not shutting down.
    pub(super) fn note_nodes(&mut self, this: i64, others: &[i64]) {
        let (within, now) = (heard_within(self.of.membership.times), since_start());
        let others = others.iter().copied();
        let heard = others.filter(|node| self.pulses.is_heard(*node, within, now));
        let nodes = heard.chain([this]).collect();
        self.balance.saw(nodes, now);
        self.of.membership.favourites.set(self.balance.nodes());
    }

    /// Has lanes given to their favourites. Nothing depends on it: what fails is done later.
    pub(super) async fn share_lanes_out(&mut self) -> Result<(), StoreError> {
        let membership = Arc::clone(&self.of.membership);
        let (node, times) = (membership.node(), membership.times);
        if membership.is_fenced() || membership.favourites.has_ended() {
            return Ok(());
        }
        let Some(behind) = self.balance.look_behind(times, since_start()) else {
            return Ok(());
        };
        match self.lanes_behind(behind, node).await {
            Ok(lanes) => {
                let chosen = self.balance.choose(node, &lanes, (times, since_start()));
                if !chosen.is_empty() {
                    self.ask(|reply| Ask::GiveBack(chosen, reply)).await?;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "could not find out which lanes have another node as their favourite; trying again later");
                self.connection = None;
                self.balance.rest(times, since_start());
            }
        }
        Ok(())
    }

    async fn lanes_behind(&mut self, key: i64, node: i64) -> Result<LaneSlice, StoreError> {
        let limit = LANES_WAIT.min(self.answer_wait());
        let mut reader = self.begin_within(limit).await?;
        let lanes = reader.lanes_behind(key, node).await?;
        self.commit().await?;
        Ok(lanes)
    }
}
