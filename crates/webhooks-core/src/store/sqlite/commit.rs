//! What a transaction does once it is committed, while it is written.

use std::sync::Arc;

use super::customer_events::NewestBlock;
use crate::{
    model::delivery::ClaimedDelivery,
    outbox::{GivenBack, Outbox, Steps},
    store::{
        committed::{Committed, HandOver},
        completion::Completion,
    },
};

/// What a transaction does once it is committed. What memory gave back meanwhile, and what it asked
/// for, stays also when the transaction fails.
pub(crate) struct Commit {
    pub(super) follows: Committed,
    /// Outboxes whose lane changed in memory: looked at again should the commit fail.
    pub(super) touched: Vec<Arc<Outbox>>,
    next_claim: i64,
    last_event: i64,
    pub(super) newest_block: NewestBlock,
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
    /// `boot` makes claims of this process differ from those of any before; `last_event` is the
    /// last event of which anything is on record.
    pub(super) fn new(boot: i64, last_event: i64) -> Self {
        Self {
            follows: Committed::default(),
            touched: Vec::new(),
            // 2^40 claims a boot, 2^22 boots.
            next_claim: boot << 40,
            last_event,
            newest_block: NewestBlock::default(),
        }
    }

    /// A claim that no row of this file has had.
    pub(super) fn claim(&mut self) -> i64 {
        self.next_claim += 1;
        self.next_claim
    }

    /// The place of the next event in the order of commits. What is on record of events that
    /// retention took away names theirs: it is never given again while that is kept.
    pub(super) fn event_seq(&mut self) -> i64 {
        self.last_event += 1;
        self.last_event
    }

    /// Something is due at `at`.
    pub(super) fn due_by(&mut self, at: i64) {
        let due_at = &mut self.follows.due_at;
        *due_at = Some(due_at.map_or(at, |due_at| due_at.min(at)));
    }

    /// What an outbox needs that the store changed; of that it never needs workers.
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

    /// Hands a row over that was counted in and has been `written`; else it is counted out again.
    pub(super) fn hand_over(
        &mut self,
        outbox: &Arc<Outbox>,
        row: ClaimedDelivery,
        retreats: u64,
        written: &rusqlite::Result<usize>,
    ) {
        if written.is_err() {
            outbox.forget_expected(&row);
            return;
        }
        self.follows.handovers.push(HandOver {
            outbox: Arc::clone(outbox),
            row,
            retreats,
        });
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
        // What it wrote may be among what is rolled back.
        self.newest_block = NewestBlock::default();
    }
}
