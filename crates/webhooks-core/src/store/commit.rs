//! Collects, while a transaction is written, what it does once it is committed.

use std::sync::Arc;

use super::{
    claim,
    committed::{Committed, HandOver},
    completion::Completion,
    error::StoreError,
    host::Host,
};
use crate::{
    activity::ActivityKind,
    outbox::{GivenBack, Outbox, Steps},
};

/// What a transaction does once it is committed. What memory gave back meanwhile, and what it asked
/// for, is kept even if the transaction fails.
pub(crate) struct Commit {
    pub(crate) follows: Committed,
    /// Outboxes whose lane changed in memory: looked at again if the commit fails.
    pub(crate) touched: Vec<Arc<Outbox>>,
    next_claim: i64,
}

/// Where a savepoint began.
#[derive(Clone, Copy, Default)]
pub(crate) struct CommitMark {
    handovers: usize,
    activities: usize,
    released: usize,
    accepted: u64,
}

impl Commit {
    /// `holder` makes claims of this engine differ from those of any other on the same store.
    pub(super) fn new(holder: i64) -> Self {
        let mut commit = Self {
            follows: Committed::default(),
            touched: Vec::new(),
            next_claim: 0,
        };
        commit.claim_as(holder);
        commit
    }

    /// From now on claims belong to another holder.
    pub(super) fn claim_as(&mut self, holder: i64) {
        self.next_claim = claim::before_first_of(holder);
    }

    /// A claim that no row of this store has had.
    pub(super) fn claim(&mut self) -> i64 {
        self.next_claim += 1;
        self.next_claim
    }

    /// Something is due at `at`.
    pub(super) fn due_by(&mut self, at: i64) {
        let due_at = &mut self.follows.due_at;
        *due_at = Some(due_at.map_or(at, |due_at| due_at.min(at)));
    }

    /// What an outbox needs after the store changed it; workers are never part of that.
    pub(super) fn follow(&mut self, outbox: &Arc<Outbox>, steps: Steps) {
        if steps.refill {
            self.follows.refills.push(Arc::clone(outbox));
        }
    }

    pub(super) fn take_back(&mut self, outbox: &Arc<Outbox>, given: Vec<GivenBack>) {
        let given = given.into_iter();
        self.follows
            .given_back
            .extend(given.map(|given| Completion::given_back(outbox, given)));
    }

    /// Logs that an endpoint was disabled, and tells who reads the live stream.
    pub(super) fn tell_disabled(&mut self, host: &Host, outbox: &Outbox, reason: &str) {
        let endpoint = outbox.endpoint();
        tracing::warn!(
            customer = &*endpoint.customer,
            endpoint.id = %endpoint.id,
            url = endpoint.shown_url,
            reason,
            "an endpoint was disabled"
        );
        if host.audience.is_there() {
            let reason = reason.to_owned();
            let activity = endpoint.activity(None, ActivityKind::EndpointDisabled { reason });
            self.follows.activities.push(activity);
        }
    }

    /// Hands over a row that was counted in and has been written.
    #[cfg(feature = "postgres")]
    pub(super) fn hand_over(&mut self, handover: HandOver) {
        self.follows.handovers.push(handover);
    }

    /// Hands over a row that was counted in, if it has been `written`; otherwise counts it out again.
    pub(super) fn hand_over_if<T>(&mut self, handover: HandOver, written: &Result<T, StoreError>) {
        if written.is_ok() {
            self.follows.handovers.push(handover);
        } else {
            handover.outbox.forget_expected(&handover.row);
        }
    }

    /// What follows; the next transaction begins with nothing.
    pub(super) fn take(&mut self) -> Committed {
        std::mem::take(&mut self.follows)
    }

    pub(crate) fn mark(&self) -> CommitMark {
        CommitMark {
            handovers: self.follows.handovers.len(),
            activities: self.follows.activities.len(),
            released: self.follows.released,
            accepted: self.follows.accepted,
        }
    }

    pub(crate) fn roll_back_to(&mut self, mark: CommitMark) {
        for HandOver { outbox, row, .. } in self.follows.handovers.drain(mark.handovers..) {
            outbox.forget_expected(&row);
        }
        self.follows.activities.truncate(mark.activities);
        self.follows.released = mark.released;
        self.follows.accepted = mark.accepted;
    }
}
