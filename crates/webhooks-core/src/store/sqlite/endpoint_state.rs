//! Whether an endpoint gets its events: pausing and resuming, disabling and enabling.
//!
//! Only a resume ends a pause, and only enabling ends a disabling: whoever may do one often may not do
//! the other.

use std::sync::Arc;

use rusqlite::params;

use super::{endpoints::find, lane, statement::Statements, tx::Tx};
use crate::{
    endpoint::EndpointState,
    model::endpoint::{EndpointOf, StateChange},
    outbox::Outbox,
    store::{endpoint_error::EndpointError, error::StoreError},
};

/// Makes a change; one that is already made is left as it is. Returns whether anything changed.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    of: &EndpointOf,
    change: &StateChange,
) -> Result<bool, EndpointError> {
    let key = find(tx.connection, of)?;
    let present = tx
        .endpoints
        .by_key(tx.connection, key)?
        .map(|outbox| outbox.endpoint().state.clone())
        .ok_or(StoreError::Gone)?;
    let next = change.of(present).map_err(|conflict| conflict.of(&of.id))?;
    let Some((state, reason)) = next else {
        return Ok(false);
    };
    set(tx, key, state, reason)?;
    tx.commit.due_by(tx.now());
    Ok(true)
}

/// Disables an endpoint that answered 410 or failed for too long, and logs it. An endpoint that a person
/// disabled meanwhile keeps that reason, and one that was removed stays removed.
pub(super) fn disable(
    tx: &mut Tx<'_>,
    outbox: &Arc<Outbox>,
    reason: &str,
) -> Result<(), StoreError> {
    if matches!(outbox.endpoint().state, EndpointState::Disabled { .. }) {
        return Ok(());
    }
    match set(tx, outbox.key(), "disabled", reason) {
        // A damaged endpoint must not keep outcomes from being stored; if it is tried again, it fails again.
        Err(error) if error.is_about_an_endpoint() => {
            tracing::error!(endpoint.id = %outbox.endpoint().id, %error, "an endpoint could not be disabled");
            return Ok(());
        }
        done => done?,
    }
    tx.commit.tell_disabled(tx.host, outbox, reason);
    Ok(())
}

/// Changes an endpoint's state; its deliveries in memory go back to the lane.
pub(super) fn set(tx: &mut Tx<'_>, key: i64, state: &str, reason: &str) -> Result<(), StoreError> {
    let changed = tx.connection.run(
        "update webhooks_endpoint set state = ?2, state_reason = ?3 where key = ?1",
        params![key, state, reason],
    )?;
    if changed == 0 {
        tracing::info!(
            endpoint.key = key,
            state,
            "an endpoint was removed before its state changed"
        );
        return Ok(());
    }
    tx.endpoints.reload(tx.connection, key)?;
    let Some(outbox) = tx.endpoints.by_key(tx.connection, key)? else {
        return Ok(());
    };
    if state == "active" {
        outbox.forgive();
        tx.connection.run(
            "update webhooks_endpoint set failing_since = null where key = ?1",
            [key],
        )?;
        let now = tx.now();
        tx.connection.run(
            "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures) values (?1, ?2, 0, 0)
             on conflict (endpoint_key) do update set due_at = ?2, backoff_until = 0, failures = 0",
            params![key, now],
        )?;
        tx.commit.due_by(now);
        tx.commit.follow(&outbox, outbox.wake());
    } else {
        tx.commit.take_back(&outbox, outbox.give_all_back(tx.now()));
        lane::leave_untried(tx.connection, key)?;
    }
    Ok(())
}
