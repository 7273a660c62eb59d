//! What a transaction does once it is committed, while it is written.

use std::sync::Arc;

use super::customer_events::NewestBlock;
use crate::{
    activity::Activity,
    model::delivery::ClaimedDelivery,
    outbox::{GivenBack, Outbox, Steps},
    store::{
        committed::{Answers, Committed, HandOver},
        completion::Completion,
    },
};

/// What a transaction does once it is committed, and what memory did for it meanwhile.
pub(crate) struct Commit {
    pub(super) handovers: Vec<HandOver>,
    pub(super) activities: Vec<Activity>,
    pub(super) released: usize,
    pub(super) accepted: u64,
    /// Memory gave these back: also when the transaction fails.
    pub(super) given_back: Vec<Completion>,
    pub(super) loads: Vec<Arc<Outbox>>,
    pub(super) due_at: i64,
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
            handovers: Vec::new(),
            activities: Vec::new(),
            released: 0,
            accepted: 0,
            given_back: Vec::new(),
            loads: Vec::new(),
            due_at: i64::MAX,
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
        self.due_at = self.due_at.min(at);
    }

    /// What an outbox needs that the store changed; of that it never needs workers.
    pub(super) fn follow(&mut self, outbox: &Arc<Outbox>, steps: Steps) {
        if steps.load {
            self.loads.push(Arc::clone(outbox));
        }
    }

    pub(super) fn take_back(&mut self, outbox: &Arc<Outbox>, given: Vec<GivenBack>) {
        let given = given.into_iter();
        self.given_back
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
        self.handovers.push(HandOver {
            outbox: Arc::clone(outbox),
            row,
            retreats,
        });
    }

    /// What follows; the next transaction begins with nothing.
    pub(super) fn follows(&mut self, answers: Answers) -> Committed {
        Committed {
            handovers: std::mem::take(&mut self.handovers),
            given_back: std::mem::take(&mut self.given_back),
            loads: std::mem::take(&mut self.loads),
            refused_loads: Vec::new(),
            answers,
            activities: std::mem::take(&mut self.activities),
            released: std::mem::take(&mut self.released),
            accepted: std::mem::take(&mut self.accepted),
            due_at: std::mem::replace(&mut self.due_at, i64::MAX),
        }
    }

    pub(crate) fn mark(&self) -> CommitMark {
        CommitMark {
            handovers: self.handovers.len(),
            activities: self.activities.len(),
            released: self.released,
            accepted: self.accepted,
        }
    }

    pub(crate) fn roll_back_to(&mut self, mark: CommitMark) {
        for HandOver { outbox, row, .. } in self.handovers.drain(mark.handovers..) {
            outbox.forget_expected(&row);
        }
        self.activities.truncate(mark.activities);
        self.released = mark.released;
        self.accepted = mark.accepted;
        // What it wrote may be among what is rolled back.
        self.newest_block = NewestBlock::default();
    }
}
