//! Whether an endpoint gets its events: pausing and resuming, disabling and enabling.
//!
//! Only a resume ends a pause, and only enabling ends a disabling: whoever may do one often may not do
//! the other.

use std::sync::Arc;

use super::tx::Tx;
use crate::{
    endpoint::EndpointState,
    model::{
        endpoint::{EndpointOf, StateChange},
        outcome::Disabling,
    },
    outbox::Outbox,
    store::{endpoint_error::EndpointError, error::StoreError},
};

impl Tx<'_> {
    /// Makes a change; one that is already made is left as it is. Returns whether anything changed.
    pub(super) async fn change_state(
        &mut self,
        of: &EndpointOf,
        change: &StateChange,
    ) -> Result<bool, EndpointError> {
        let key = self.find(of).await?;
        let outbox = self.by_key(key).await?.ok_or(StoreError::Gone)?;
        let present = outbox.endpoint().state.clone();
        let next = change.of(present).map_err(|conflict| conflict.of(&of.id))?;
        let Some((state, reason)) = next else {
            return Ok(false);
        };
        self.set_state(key, state, reason).await?;
        self.commit.due_by(self.now());
        Ok(true)
    }

    /// Disables an endpoint that answered 410 or failed for too long, and logs it. An endpoint that a person
    /// disabled meanwhile keeps that reason, and one that was removed stays removed.
    pub(super) async fn disable(
        &mut self,
        outbox: &Arc<Outbox>,
        disabling: &Disabling,
    ) -> Result<(), StoreError> {
        let reason = disabling.reason.as_str();
        if let Some(since) = disabling.failing_since
            && let Some(at) = self.answered_others(outbox.key(), since).await?
        {
            outbox.answered_another(at);
            return Ok(());
        }
        if matches!(outbox.endpoint().state, EndpointState::Disabled { .. }) {
            return Ok(());
        }
        match self.set_state(outbox.key(), "disabled", reason).await {
            // A damaged endpoint must not keep outcomes from being stored; if it is tried again, it fails again.
            Err(error) if error.is_about_an_endpoint() => {
                tracing::error!(endpoint.id = %outbox.endpoint().id, %error, "an endpoint could not be disabled");
                return Ok(());
            }
            done => done?,
        }
        self.commit.tell_disabled(self.host, outbox, reason);
        Ok(())
    }

    /// When an endpoint last answered another node, if that was after the time from which this node has had only
    /// failures: then the cause is this node's network.
    async fn answered_others(&mut self, key: i64, since: i64) -> Result<Option<i64>, StoreError> {
        self.query(
            "select succeeded_at from webhooks.endpoint where key = $1 and succeeded_at > $2",
        )
        .bind(key)
        .bind(since)
        .find_value(self.connection)
        .await
    }

    /// Changes an endpoint's state; its deliveries in memory go back to the lane.
    pub(super) async fn set_state(
        &mut self,
        key: i64,
        state: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        if state == "disabled" {
            self.sweep.over.insert(key);
        }
        let changed = self
            .query("update webhooks.endpoint set state = $2, state_reason = $3 where key = $1")
            .bind(key)
            .bind(state)
            .bind(reason)
            .execute(self.connection)
            .await?;
        if changed == 0 {
            tracing::info!(
                endpoint.key = key,
                state,
                "an endpoint was removed before its state changed"
            );
            return Ok(());
        }
        self.note_change(key);
        self.reload(key).await?;
        let Some(outbox) = self.by_key(key).await? else {
            return Ok(());
        };
        let now = self.now();
        // If it was disabled, maintenance has removed its lane.
        let keeps_lane = outbox.endpoint().keeps_lane;
        if state == "active" {
            outbox.forgive();
            self.query("update webhooks.endpoint set failing_since = null where key = $1")
                .bind(key)
                .execute(self.connection)
                .await?;
            self.query(
                "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned)
                 values ($1, $2, 0, 0, $3)
                 on conflict (endpoint_key) do update
                 set due_at = excluded.due_at, backoff_until = 0, failures = 0, owned = excluded.owned,
                     node = case when excluded.owned then lane.node end",
            )
            .bind(key)
            .bind(now)
            .bind(keeps_lane)
            .execute(self.connection)
            .await?;
            self.commit.due_by(now);
            self.commit.follow(&outbox, outbox.wake());
        } else {
            self.commit.take_back(&outbox, outbox.give_all_back(now));
            self.query(
                "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned)
                 values ($1, null, 0, 0, $2)
                 on conflict (endpoint_key) do update set due_at = null, owned = excluded.owned",
            )
            .bind(key)
            .bind(keeps_lane)
            .execute(self.connection)
            .await?;
        }
        self.lanes.add(key);
        Ok(())
    }
}
