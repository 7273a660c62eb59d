//! Whether an endpoint gets its events: pausing and resuming, disabling and enabling.
//!
//! A pause is taken back by a resume only, a disabling by enabling only: who may do the one is
//! often not who may do the other.

use std::{fmt, sync::Arc};

use rusqlite::params;

use super::{act::ActContext, endpoints::find};
use crate::{
    activity::What,
    endpoint::{EndpointId, EndpointState},
    outbox::Outbox,
    store::{endpoint_error::EndpointError, error::StoreError},
};

/// What a person can do to an endpoint's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StateChange {
    Pause,
    Resume,
    Enable,
    /// With the reason.
    Disable(String),
}

impl fmt::Display for StateChange {
    /// What an endpoint was, once it is made.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("paused"),
            Self::Resume => f.write_str("resumed"),
            Self::Enable => f.write_str("enabled"),
            Self::Disable(reason) => write!(f, "disabled: {reason}"),
        }
    }
}

/// Makes a change; one that is made already is left as it is. Returns whether anything changed.
pub(crate) fn change(
    context: &mut ActContext<'_>,
    customer: &str,
    id: &EndpointId,
    change: &StateChange,
) -> Result<bool, EndpointError> {
    let key = find(context.connection, customer, id)?;
    let present = context
        .endpoints
        .by_key(context.connection, key)?
        .map(|outbox| outbox.endpoint().state.clone())
        .ok_or(StoreError::Gone)?;
    let disabled = |reason: &String| EndpointError::Disabled {
        id: id.clone(),
        reason: reason.clone(),
    };
    match (change, present) {
        (StateChange::Pause | StateChange::Resume, EndpointState::Disabled { reason }) => {
            return Err(disabled(&reason));
        }
        (StateChange::Enable, EndpointState::Paused) => {
            return Err(EndpointError::Paused(id.clone()));
        }
        (StateChange::Pause, EndpointState::Paused)
        | (StateChange::Resume | StateChange::Enable, EndpointState::Active) => return Ok(false),
        (StateChange::Pause, EndpointState::Active) => set(context, key, "paused", "")?,
        (StateChange::Resume, EndpointState::Paused)
        | (StateChange::Enable, EndpointState::Disabled { .. }) => {
            set(context, key, "active", "")?;
        }
        (StateChange::Disable(reason), _) => set(context, key, "disabled", reason)?,
    }
    context.shared.due_by(context.shared.timeline.now());
    Ok(true)
}

/// Disables an endpoint that answered 410 or failed for too long, and says so. One that a person
/// disabled meanwhile keeps that reason, one that was removed stays removed.
pub(super) fn disable(
    context: &mut ActContext<'_>,
    outbox: &Arc<Outbox>,
    reason: &str,
) -> Result<(), StoreError> {
    if matches!(outbox.endpoint().state, EndpointState::Disabled { .. }) {
        return Ok(());
    }
    match set(context, outbox.key(), "disabled", reason) {
        // What is damaged must not keep outcomes from being stored; it fails again, if at all.
        Err(error) if error.is_about_an_endpoint() => {
            tracing::error!(endpoint.id = %outbox.endpoint().id, %error, "an endpoint could not be disabled");
            return Ok(());
        }
        done => done?,
    }
    let endpoint = outbox.endpoint();
    tracing::warn!(
        customer = &*endpoint.customer,
        endpoint.id = %endpoint.id,
        url = endpoint.shown_url,
        reason,
        "an endpoint was disabled"
    );
    if context.shared.has_readers() {
        let reason = reason.to_owned();
        let activity = outbox
            .endpoint()
            .activity(None, What::EndpointDisabled { reason });
        context.commit.activities.push(activity);
    }
    Ok(())
}

/// Changes an endpoint's state; what memory holds of it goes back to the lane.
pub(super) fn set(
    context: &mut ActContext<'_>,
    key: i64,
    state: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let changed = context
        .connection
        .prepare_cached(
            "update webhooks_endpoint set state = ?2, state_reason = ?3 where key = ?1",
        )?
        .execute(params![key, state, reason])?;
    if changed == 0 {
        tracing::info!(
            endpoint.key = key,
            state,
            "an endpoint was removed before its state changed"
        );
        return Ok(());
    }
    context.endpoints.reload(context.connection, key)?;
    let Some(outbox) = context.endpoints.by_key(context.connection, key)? else {
        return Ok(());
    };
    if state == "active" {
        outbox.forgive();
        context
            .connection
            .prepare_cached("update webhooks_endpoint set failing_since = null where key = ?1")?
            .execute([key])?;
        let now = context.shared.timeline.now();
        context
            .connection
            .prepare_cached(
                "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures) values (?1, ?2, 0, 0)
                 on conflict (endpoint_key) do update set due_at = ?2, backoff_until = 0, failures = 0",
            )?
            .execute(params![key, now])?;
        context.shared.due_by(now);
        outbox.wake(context.shared);
    } else {
        outbox.give_all_back(context.shared);
        context
            .connection
            .prepare_cached(
                "insert into webhooks_lane (endpoint_key, due_at, backoff_until, failures) values (?1, null, 0, 0)
                 on conflict (endpoint_key) do update set due_at = null",
            )?
            .execute([key])?;
    }
    Ok(())
}
