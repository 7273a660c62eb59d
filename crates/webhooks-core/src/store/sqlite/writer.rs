//! The one thread that writes: takes a batch, runs it in one transaction, and only after the
//! commit answers callers, hands deliveries to memory and tells what happened.

use std::sync::Arc;

use rusqlite::Connection;

use super::{
    act::{ActContext, AfterCommit, contain},
    customer_events::NewestBlock,
    endpoints::EndpointCache,
    fold::Fold,
    guard::Guard,
    refusals::Refusals,
    retention::{Sweep, store_offset},
    send::{Scope, store_events},
};
use crate::{
    activity::Activity,
    crash_point,
    engine::Shared,
    metrics::{self, CommitClock},
    model::delivery::ClaimedDelivery,
    outbox::Outbox,
    send::{SendError, Sent},
    store::{
        error::StoreError,
        queue::{Batch, NextWork, SendReply, WriterQueue},
    },
};

/// What a transaction does once it is committed.
#[derive(Default)]
pub(crate) struct Commit {
    handovers: Vec<HandOver>,
    pub(crate) activities: Vec<Activity>,
    /// Deliveries that memory no longer holds.
    pub(crate) released: usize,
    /// Events that were stored.
    pub(crate) accepted: u64,
    /// Outboxes whose lane changed in memory: looked at again should the commit fail.
    pub(crate) touched: Vec<Arc<Outbox>>,
    next_claim: i64,
    last_event: i64,
    pub(super) newest_block: NewestBlock,
}

/// A claimed delivery on its way to memory.
struct HandOver {
    outbox: Arc<Outbox>,
    row: ClaimedDelivery,
    /// The outbox's retreats when it was placed or loaded: after another it goes back.
    retreats: u64,
}

/// Where a savepoint began.
#[derive(Clone, Copy)]
pub(crate) struct CommitMark {
    handovers: usize,
    activities: usize,
    released: usize,
    accepted: u64,
}

impl Commit {
    /// A claim that no row of this file has had.
    pub(crate) fn claim(&mut self) -> i64 {
        self.next_claim += 1;
        self.next_claim
    }

    /// The place of the next event in the order of commits. What is on record of events that
    /// retention took away names theirs: it is never given again while that is kept.
    pub(crate) fn event_seq(&mut self) -> i64 {
        self.last_event += 1;
        self.last_event
    }

    /// Hands a row over that was counted in and has been `written`; else it is counted out again.
    pub(crate) fn hand_over(
        &mut self,
        shared: &Shared,
        outbox: &Arc<Outbox>,
        row: ClaimedDelivery,
        retreats: u64,
        written: &rusqlite::Result<usize>,
    ) {
        if written.is_err() {
            outbox.forget_expected(shared, &row);
            return;
        }
        self.handovers.push(HandOver {
            outbox: Arc::clone(outbox),
            row,
            retreats,
        });
    }

    pub(crate) fn mark(&self) -> CommitMark {
        CommitMark {
            handovers: self.handovers.len(),
            activities: self.activities.len(),
            released: self.released,
            accepted: self.accepted,
        }
    }

    pub(crate) fn roll_back_to(&mut self, shared: &Shared, mark: CommitMark) {
        for HandOver { outbox, row, .. } in self.handovers.drain(mark.handovers..) {
            outbox.forget_expected(shared, &row);
        }
        self.activities.truncate(mark.activities);
        self.released = mark.released;
        self.accepted = mark.accepted;
        // What it wrote may be among what is rolled back.
        self.newest_block = NewestBlock::default();
    }
}

/// The writer's state.
pub(crate) struct Writer {
    connection: Connection,
    guard: Guard,
    shared: Arc<Shared>,
    endpoints: EndpointCache,
    commit: Commit,
    sweep: Sweep,
    refusals: Refusals,
}

/// What a send comes to.
type SendResult = Result<Vec<Sent>, SendError>;

/// The answers that wait for the commit.
#[derive(Default)]
struct Replies {
    sends: Vec<(SendReply, SendResult)>,
    acts: Vec<AfterCommit>,
}

impl Writer {
    /// `boot` makes claims of this process differ from those of any before; `last_event` is the
    /// last event of which anything is on record.
    pub(crate) fn new(
        (connection, guard): (Connection, Guard),
        shared: Arc<Shared>,
        endpoints: EndpointCache,
        boot: i64,
        last_event: i64,
    ) -> Self {
        // 2^40 claims a boot, 2^22 boots.
        let commit = Commit {
            next_claim: boot << 40,
            last_event,
            ..Commit::default()
        };
        Self {
            connection,
            guard,
            shared,
            endpoints,
            commit,
            sweep: Sweep::default(),
            refusals: Refusals::default(),
        }
    }

    /// Runs until the queue is closed and empty.
    pub(crate) fn run(mut self, queue: &WriterQueue) {
        let mut fold = Fold::default();
        loop {
            match queue.next(fold.idle_wait()) {
                NextWork::Write(batch) => {
                    let mut rest = Some(batch);
                    while let Some(batch) = rest {
                        rest = self.write(batch, queue);
                    }
                    fold.written();
                }
                NextWork::Idle => fold.now(&self.connection),
                NextWork::End => break,
            }
        }
        // A clean stop leaves no write-ahead log behind.
        fold.now(&self.connection);
    }

    /// Writes a batch. What stood behind an act that ended the transaction, and was not begun, is
    /// returned: it is not that act's fault.
    fn write(&mut self, batch: Batch, queue: &WriterQueue) -> Option<Batch> {
        let Batch {
            mut sends,
            acts,
            completions,
        } = batch;
        let clock = CommitClock::start();
        let mut replies = Replies::default();
        let mut written = self
            .connection
            .execute_batch("begin immediate")
            .map_err(StoreError::from);
        let offset = self.shared.timeline.offset_to_store();
        if let Some(offset) = offset {
            written = written.and_then(|()| store_offset(&self.connection, offset));
        }
        let mut stored = 0;
        while let (Ok(()), Some(completion)) = (&written, completions.get(stored)) {
            written = completion.store(&mut self.context());
            stored += usize::from(written.is_ok());
        }
        let mut acts = acts.into_iter();
        let mut rest = None;
        while let Some(act) = acts.next() {
            let begun = written.is_ok();
            let after = if begun {
                act.run(&mut self.context())
            } else {
                act.refuse()
            };
            replies.acts.push(after);
            self.notice_rollback(&mut written);
            if begun && written.is_err() {
                let behind = Batch {
                    sends: std::mem::take(&mut sends),
                    acts: acts.by_ref().collect(),
                    completions: Vec::new(),
                };
                rest = Some(behind).filter(|rest| !rest.sends.is_empty() || !rest.acts.is_empty());
            }
        }
        for send in sends {
            let result = match &written {
                Ok(()) => self.store_all(&send.customer, send.events),
                Err(error) => Err(SendError::Store(error.clone())),
            };
            match &result {
                // An endpoint of this customer is damaged: nothing was written, nobody else minds.
                Err(SendError::Store(error)) if error.is_about_an_endpoint() => {}
                Err(SendError::Store(error)) => written = Err(error.clone()),
                _ => {}
            }
            replies.sends.push((send.reply, result));
            self.notice_rollback(&mut written);
        }
        crash_point::reach("before_commit");
        if !completions.is_empty() {
            crash_point::reach("before_completion_commit");
        }
        written = written.and_then(|()| {
            self.connection
                .execute_batch("commit")
                .map_err(StoreError::from)
        });
        crash_point::reach("after_commit");
        if !completions.is_empty() {
            crash_point::reach("after_completion_commit");
        }
        match written {
            Ok(()) => {
                if let Some(offset) = offset {
                    self.shared.timeline.offset_is_stored(offset);
                }
                if !completions.is_empty() || !replies.sends.is_empty() {
                    self.refusals.ended();
                }
                clock.committed(completions.len() + replies.sends.len() + replies.acts.len());
                self.committed(replies);
            }
            Err(error) => {
                for completion in &completions[..stored] {
                    completion.taken_back();
                }
                self.failed(&error, replies);
                queue.put_back(completions);
            }
        }
        rest
    }

    fn context(&mut self) -> ActContext<'_> {
        ActContext {
            connection: &self.connection,
            shared: &self.shared,
            commit: &mut self.commit,
            endpoints: &mut self.endpoints,
            sweep: &mut self.sweep,
            guard: &self.guard,
        }
    }

    /// On a full disk SQLite rolls the whole transaction back by itself; what followed would be
    /// stored one by one, though its callers are told that nothing was.
    fn notice_rollback(&self, written: &mut Result<(), StoreError>) {
        if written.is_ok() && self.connection.is_autocommit() {
            *written = Err(StoreError::RolledBack);
        }
    }

    fn store_all(
        &mut self,
        customer: &str,
        events: Vec<crate::event::PreparedEvent>,
    ) -> Result<Vec<Sent>, SendError> {
        // One event of several may conflict: then none of them is stored.
        let scope = if events.len() > 1 {
            Scope::Savepoint
        } else {
            Scope::Transaction
        };
        store_events(&mut self.context(), customer, events, scope)
    }

    fn committed(&mut self, replies: Replies) {
        self.commit.touched.clear();
        self.endpoints.committed();
        for handover in self.commit.handovers.drain(..) {
            let HandOver {
                outbox,
                row,
                retreats,
            } = handover;
            outbox.accept(&self.shared, row, retreats);
        }
        for (reply, result) in replies.sends {
            reply.give(result);
        }
        for after in replies.acts {
            contain(|| after(Ok(())));
        }
        for activity in self.commit.activities.drain(..) {
            self.shared.tell(activity);
        }
        self.shared
            .released(std::mem::take(&mut self.commit.released));
        metrics::accepted(std::mem::take(&mut self.commit.accepted));
    }

    fn failed(&mut self, error: &StoreError, replies: Replies) {
        self.refusals.note(error, self.shared.timeline.now());
        if let Err(error) = self.connection.execute_batch("rollback") {
            // SQLite rolls back by itself on a full disk; there is then nothing left to do.
            tracing::debug!(%error, "no transaction was left to roll back");
        }
        self.endpoints.rolled_back(&self.connection);
        self.endpoints.committed();
        let mark = CommitMark {
            handovers: 0,
            activities: 0,
            released: 0,
            accepted: 0,
        };
        self.commit.roll_back_to(&self.shared, mark);
        for (reply, result) in replies.sends {
            reply.give(match result {
                Ok(_) => Err(SendError::Store(error.clone())),
                refused => refused,
            });
        }
        for after in replies.acts {
            contain(|| after(Err(error.clone())));
        }
        // After the acts: a refill among them has asked for another by now.
        for outbox in self.commit.touched.drain(..) {
            outbox.lane_is_uncertain(&self.shared);
        }
        // A full disk stays full for a while: trying again at once would spin.
        std::thread::sleep(FAILURE_PAUSE);
    }
}

/// The wait after a transaction that failed.
const FAILURE_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
