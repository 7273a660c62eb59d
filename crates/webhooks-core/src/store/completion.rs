//! The outcome of one attempt, waiting to be stored.

use std::sync::Arc;

use crate::{
    activity::{Activity, ActivityKind, NextStep},
    clock::Timeline,
    model::{
        delivery::ClaimedDelivery,
        outcome::{AttemptRecord, Consequences, Verdict},
    },
    outbox::{GivenBack, Outbox},
};

/// The outcome of one attempt, to be stored.
pub(crate) struct Completion {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) row: ClaimedDelivery,
    /// `None` if the delivery is given back without an attempt.
    pub(crate) attempt: Option<AttemptRecord>,
    pub(crate) verdict: Verdict,
    pub(crate) consequences: Consequences,
}

impl Completion {
    /// A delivery goes back to its lane without an attempt.
    pub(crate) fn given_back(outbox: &Arc<Outbox>, given: GivenBack) -> Self {
        Self {
            outbox: Arc::clone(outbox),
            row: given.row,
            attempt: None,
            verdict: given.verdict,
            consequences: Consequences {
                returning: true,
                ..Consequences::default()
            },
        }
    }

    /// It was written, but its transaction failed.
    pub(crate) fn taken_back(&self) {
        if self.consequences.returning {
            self.outbox.returns_again();
        }
    }

    /// The activity to announce: none for a delivery that only goes back to its lane.
    pub(super) fn activity(&self, timeline: &Timeline, number: u32) -> Option<Activity> {
        let what = match (&self.attempt, &self.verdict) {
            (Some(attempt), verdict) => ActivityKind::Attempted {
                attempt: attempt.to_public(timeline, number),
                next: match verdict {
                    Verdict::Delivered => NextStep::Done,
                    Verdict::Retry { due_at } => NextStep::RetryAt(timeline.to_wall(*due_at)),
                    Verdict::Lane { due_at, backoff } => {
                        NextStep::RetryAt(timeline.to_wall((*due_at).max(backoff.until)))
                    }
                    Verdict::End(ending) => NextStep::GaveUp(*ending),
                },
            },
            (None, Verdict::End(ending)) => ActivityKind::Ended(*ending),
            (None, _) => return None,
        };
        let event_id = Some(self.row.event.id.clone());
        Some(self.outbox.endpoint().activity(event_id, what))
    }
}
