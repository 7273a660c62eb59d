//! What became of a delivery, derived from what a store has about it.

use crate::{
    attempt::{Attempt, Outcome},
    clock::Timeline,
    delivery::{Delivery, DeliveryState, EndReason, Explanation, HoldReason},
    endpoint::{EndpointId, EndpointState, wants},
    model::endpoint::EndpointRecord,
    store::{attempt_row::AttemptRow, error::StoreError},
};

/// A pending delivery as it is stored.
pub(super) struct HotRow {
    pub(super) is_claimed: bool,
    pub(super) in_lane: bool,
    pub(super) due_at: i64,
    /// Attempts made on the current schedule.
    pub(super) attempts: u32,
    pub(super) lane: LaneRow,
}

/// Its endpoint's lane, if there is one.
#[derive(Default)]
pub(super) struct LaneRow {
    pub(super) next_try: Option<i64>,
    pub(super) failures: u32,
}

/// What is stored of a delivery.
pub(super) struct StoredDelivery<'a> {
    pub(super) event_id: &'a str,
    pub(super) event_type: &'a str,
    /// When the event was stored.
    pub(super) created_at: i64,
    /// While it is pending.
    pub(super) hot: Option<HotRow>,
    /// The word for how it ended, and when.
    pub(super) ending: Option<(String, i64)>,
    pub(super) endpoint: Option<&'a EndpointRecord>,
    /// Those that are kept, the oldest first.
    pub(super) attempts: Vec<AttemptRow>,
}

impl StoredDelivery<'_> {
    pub(super) fn delivery(self, timeline: &Timeline) -> Result<Delivery, StoreError> {
        let attempts = self.attempts.into_iter();
        let attempts = attempts.map(|row| row.attempt(timeline));
        let attempts = attempts.collect::<Result<Vec<_>, _>>()?;
        let endpoint = self.endpoint;
        let state = match &self.hot {
            Some(hot) => of_owed(timeline, hot, endpoint),
            None => of_done(timeline, &attempts, self.ending)?,
        };
        Ok(Delivery {
            event_id: self.event_id.to_owned(),
            event_type: self.event_type.to_owned(),
            created_at: timeline.to_wall(self.created_at),
            endpoint_id: endpoint
                .map_or_else(|| EndpointId::from(""), |endpoint| endpoint.id.clone()),
            url: endpoint.map_or_else(String::new, |endpoint| endpoint.shown_url.clone()),
            disabled: endpoint.and_then(|endpoint| match &endpoint.state {
                EndpointState::Disabled { reason } => Some(reason.clone()),
                _ => None,
            }),
            state,
            attempts,
        })
    }
}

/// A successful attempt decides first; then how it ended.
fn of_done(
    timeline: &Timeline,
    attempts: &[Attempt],
    ending: Option<(String, i64)>,
) -> Result<DeliveryState, StoreError> {
    let mut attempts = attempts.iter();
    if let Some(attempt) = attempts.find(|attempt| attempt.outcome == Outcome::Success) {
        return Ok(DeliveryState::Delivered {
            at: attempt.at + attempt.duration,
        });
    }
    let (reason, at) = ending.ok_or(StoreError::Gone)?;
    let known = EndReason::from_stored(&reason)
        .ok_or_else(|| StoreError::Damaged(format!("why a delivery ended: {reason:?}")))?;
    Ok(DeliveryState::Ended {
        reason: known,
        at: timeline.to_wall(at),
    })
}

fn of_owed(timeline: &Timeline, row: &HotRow, endpoint: Option<&EndpointRecord>) -> DeliveryState {
    let waiting = |due_at: i64| DeliveryState::Waiting {
        due_at: timeline.to_wall(due_at),
    };
    if row.is_claimed {
        return DeliveryState::InFlight;
    }
    if !row.in_lane {
        return waiting(row.due_at);
    }
    if endpoint.is_some_and(|endpoint| endpoint.state == EndpointState::Paused) {
        return DeliveryState::Held {
            reason: HoldReason::Paused,
            next_try: None,
        };
    }
    let next_try = row.lane.next_try;
    // A delivery of an ordered endpoint has no due time of its own.
    if row.attempts > 0 && (next_try.is_some() || row.due_at > 0) {
        // It was tried: it waits for its own next attempt.
        return waiting(next_try.map_or(row.due_at, |next| next.max(row.due_at)));
    }
    let is_ordered = endpoint.is_some_and(|endpoint| endpoint.ordered);
    let reason = match (row.lane.failures > 0, is_ordered) {
        (true, true) => HoldReason::BehindHead,
        (true, false) => HoldReason::Trouble,
        (false, _) => HoldReason::Backlog,
    };
    DeliveryState::Held {
        reason,
        next_try: next_try.map(|at| timeline.to_wall(at)),
    }
}

impl EndpointRecord {
    /// Why it has no delivery of an event.
    pub(super) fn without_delivery(
        self,
        event_type: String,
        event_at: i64,
        timeline: &Timeline,
    ) -> Explanation {
        // In the same millisecond too: had the endpoint existed, it would have got a delivery of an event it wants.
        let wanted = wants(&self.event_types, &event_type);
        if self.created_at > event_at || wanted && self.created_at == event_at {
            return Explanation::AddedLater {
                event_at: timeline.to_wall(event_at),
                endpoint_at: timeline.to_wall(self.created_at),
            };
        }
        if wanted {
            return Explanation::NotOnRecord;
        }
        Explanation::Filtered {
            event_type,
            wanted: self.event_types,
        }
    }
}
