//! Sending again, and not sending any more: what a person does to single deliveries.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    act::ActContext, completion::store_ending, customer_events, endpoints::find, lane,
    retention::first_since, send::owe,
};
use crate::{
    delivery::Ending,
    endpoint::{EndpointId, EndpointState, wants},
    engine::Shared,
    model::{
        delivery::StoredEvent,
        endpoint::EndpointRecord,
        replay::{Look, Replay, ReplayOutcome},
    },
    outbox::{HeadInMemory, Outbox},
    store::{delivery_error::DeliveryError, endpoint_error::EndpointError, error::StoreError},
};

/// Events of the customer looked at in one step of a replay.
pub(crate) const LOOK_ROWS: usize = 5_000;
/// A delivery that was taken away.
pub(crate) struct TakenAway {
    pub(crate) outbox: Option<Arc<Outbox>>,
    /// Memory held it under this claim: it may be in flight.
    pub(crate) claim: Option<i64>,
}

fn find_event(
    connection: &Connection,
    customer: &str,
    event_id: &str,
) -> Result<StoredEvent, DeliveryError> {
    connection
        .prepare_cached(
            "select seq, id, body, traceparent from webhooks_event where id = ?1 and customer = ?2",
        )?
        .query_row([event_id, customer], StoredEvent::read)
        .optional()?
        .ok_or_else(|| DeliveryError::UnknownEvent {
            customer: customer.to_owned(),
            event_id: event_id.to_owned(),
        })
}

/// Sends one event to one endpoint again, now. What is owed already is only made due.
pub(crate) fn resend(
    context: &mut ActContext<'_>,
    customer: &str,
    event_id: &str,
    endpoint_id: &EndpointId,
) -> Result<(), DeliveryError> {
    let key = find(context.connection, customer, endpoint_id)?;
    let event = find_event(context.connection, customer, event_id)?;
    let seq = event.seq;
    let outbox = context
        .endpoints
        .by_key(context.connection, key)?
        .ok_or_else(|| EndpointError::Unknown {
            customer: customer.to_owned(),
            id: endpoint_id.clone(),
        })?;
    if matches!(outbox.endpoint().state, EndpointState::Disabled { .. }) {
        return Err(DeliveryError::Disabled(endpoint_id.clone()));
    }
    let now = context.shared.timeline.now();
    let owed: Option<bool> = context
        .connection
        .prepare_cached(
            "select lane from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2",
        )?
        .query_row([seq, key], |row| row.get(0))
        .optional()?;
    match owed {
        None => owe_again(context, &outbox, event, now)?,
        Some(_) => {
            context
                .connection
                .prepare_cached(
                    "update webhooks_delivery set due_at = min(due_at, ?3), owed_at = ?3
                     where event_seq = ?1 and endpoint_key = ?2 and claim is null",
                )?
                .execute(params![seq, key, now])?;
            try_lane_now(context, key, now)?;
        }
    }
    context.shared.due_by(now);
    Ok(())
}

/// Makes an endpoint's lane due now, whatever its backoff.
fn try_lane_now(context: &ActContext<'_>, key: i64, now: i64) -> Result<(), StoreError> {
    context
        .connection
        .prepare_cached("update webhooks_lane set due_at = ?2, backoff_until = 0 where endpoint_key = ?1 and due_at is not null")?
        .execute([key, now])?;
    context.shared.due_by(now);
    Ok(())
}

fn owe_again(
    context: &mut ActContext<'_>,
    outbox: &Arc<Outbox>,
    event: StoredEvent,
    now: i64,
) -> Result<(), StoreError> {
    let (seq, key) = (event.seq, outbox.key());
    let number: Option<u32> = context
        .connection
        .prepare_cached(
            "select max(number) from webhooks_attempt where event_seq = ?1 and endpoint_key = ?2",
        )?
        .query_row([seq, key], |row| row.get(0))?;
    context
        .connection
        .prepare_cached("delete from webhooks_ending where event_seq = ?1 and endpoint_key = ?2")?
        .execute([seq, key])?;
    owe(
        context.connection,
        context.shared,
        context.commit,
        outbox,
        &Arc::new(event),
        now,
        number.unwrap_or_default(),
    )
}

/// Takes a delivery away: no further attempt is started.
pub(crate) fn take_away(
    context: &mut ActContext<'_>,
    customer: &str,
    event_id: &str,
    endpoint_id: &EndpointId,
    ending: Ending,
) -> Result<TakenAway, DeliveryError> {
    let key = find(context.connection, customer, endpoint_id)?;
    let seq = find_event(context.connection, customer, event_id)?.seq;
    let claim: Option<Option<i64>> = context
        .connection
        .prepare_cached(
            "delete from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2 returning claim",
        )?
        .query_row([seq, key], |row| row.get(0))
        .optional()?;
    let Some(claim) = claim else {
        return Err(DeliveryError::NotOwed {
            event_id: event_id.to_owned(),
            endpoint_id: endpoint_id.clone(),
        });
    };
    let now = context.shared.timeline.now();
    store_ending(context.connection, seq, key, ending, now).map_err(StoreError::from)?;
    let outbox = context.endpoints.by_key(context.connection, key)?;
    let ordered = outbox
        .as_ref()
        .is_some_and(|outbox| outbox.endpoint().ordered);
    if ordered && !stands_behind(context.connection, seq, key)? {
        // What stood behind it may go on.
        try_lane_now(context, key, now)?;
    }
    if claim.is_some() {
        // Its outcome would have said when the lane is next tried.
        lane::try_again(context, key)?;
    }
    Ok(TakenAway { outbox, claim })
}

/// Whether something stands before this event in the lane of an ordered endpoint.
fn stands_behind(connection: &Connection, seq: i64, key: i64) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "select 1 from webhooks_delivery
             where endpoint_key = ?1 and claim is null and lane = 1 and due_at = 0 and event_seq < ?2
             limit 1",
        )?
        .exists([key, seq])?)
}

/// The head of an ordered endpoint: the delivery that those behind it wait for.
pub(crate) fn head(context: &mut ActContext<'_>, key: i64) -> Result<Option<String>, StoreError> {
    let outbox = context.endpoints.by_key(context.connection, key)?;
    if let Some(outbox) = outbox.filter(|outbox| outbox.endpoint().ordered) {
        match outbox.head() {
            HeadInMemory::Tried(event_id) => return Ok(Some(event_id)),
            HeadInMemory::Passing => return Ok(None),
            HeadInMemory::Nothing => {}
        }
    }
    Ok(context
        .connection
        .prepare_cached(
            "select e.id from webhooks_delivery d join webhooks_event e on e.seq = d.event_seq
             where d.endpoint_key = ?1 and d.lane = 1 and d.claim is null
             order by d.due_at, d.event_seq limit 1",
        )?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

pub(crate) fn look(
    connection: &Connection,
    shared: &Shared,
    endpoint: &EndpointRecord,
    replay: &Replay,
    from: Option<i64>,
) -> Result<Look, StoreError> {
    let since = replay
        .since
        .map_or(i64::MIN, |at| shared.timeline.at_wall(at));
    let until = replay
        .until
        .map_or(i64::MAX, |at| shared.timeline.at_wall(at));
    let from = match from {
        Some(from) => Some(from),
        None => first_since(connection, since)?,
    };
    let Some(from) = from else {
        return Ok(Look::default());
    };
    let found = customer_events::after(connection, &endpoint.customer, from - 1, LOOK_ROWS)?;
    let mut look = Look {
        next: found
            .last()
            .filter(|_| found.len() == LOOK_ROWS)
            .map(|seq| seq + 1),
        ..Look::default()
    };
    let mut select = connection.prepare_cached(
        "select type, created_at,
                exists (select 1 from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2),
                exists (select 1 from webhooks_ending where event_seq = ?1 and endpoint_key = ?2),
                exists (select 1 from webhooks_attempt where event_seq = ?1 and endpoint_key = ?2 and failure is null)
         from webhooks_event where seq = ?1",
    )?;
    for seq in found {
        let event: Option<LookedAt> = select
            .query_row([seq, endpoint.key], |row| {
                Ok(LookedAt {
                    event_type: row.get(0)?,
                    created_at: row.get(1)?,
                    owed: row.get(2)?,
                    ended: row.get(3)?,
                    delivered: row.get(4)?,
                })
            })
            .optional()?;
        // Retention may have taken it away between the two looks.
        let Some(event) = event else { continue };
        if event.created_at >= until {
            look.next = None;
            break;
        }
        if event.created_at >= since && event.matches(replay.outcome, &endpoint.event_types) {
            look.seqs.push(seq);
        }
    }
    Ok(look)
}

/// An event that a replay looks at, and what became of it at the endpoint.
struct LookedAt {
    event_type: String,
    created_at: i64,
    owed: bool,
    ended: bool,
    delivered: bool,
}

impl LookedAt {
    fn matches(&self, outcome: ReplayOutcome, wanted: &[String]) -> bool {
        !self.owed
            && match outcome {
                ReplayOutcome::GivenUp => self.ended && !self.delivered,
                ReplayOutcome::Delivered => self.delivered,
                ReplayOutcome::NeverOwed => {
                    !self.ended && !self.delivered && wants(wanted, &self.event_type)
                }
            }
    }
}

/// Adds the deliveries that one step of a replay found. Returns how many are owed now.
pub(crate) fn owe_all(
    context: &mut ActContext<'_>,
    key: i64,
    seqs: &[i64],
) -> Result<usize, StoreError> {
    let now = context.shared.timeline.now();
    let Some(outbox) = context.endpoints.by_key(context.connection, key)? else {
        return Ok(0);
    };
    let mut added = 0;
    for seq in seqs {
        let event = context
            .connection
            .prepare_cached(
                "select seq, id, body, traceparent from webhooks_event where seq = ?1
                 and not exists (select 1 from webhooks_delivery where event_seq = ?1 and endpoint_key = ?2)",
            )?
            .query_row([*seq, key], StoredEvent::read)
            .optional()?;
        if let Some(event) = event {
            owe_again(context, &outbox, event, now)?;
            added += 1;
        }
    }
    Ok(added)
}
