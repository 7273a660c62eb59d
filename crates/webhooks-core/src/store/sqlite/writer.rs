//! The one thread that writes: takes a batch, runs it in one transaction, and says what follows.

use std::{sync::Arc, time::Duration};

use rusqlite::Connection;

use super::{
    act::Act,
    endpoints::Endpoints,
    fold::Fold,
    guard::Guard,
    send::{Scope, store_events},
    sequence::Sequence,
    setting::store_offset,
    statement::Statements,
    sweep::Sweep,
    tx::Tx,
};
use crate::{
    crash_point,
    event::PreparedEvent,
    metrics::CommitClock,
    send::{SendError, SendReceipt},
    store::{
        commit::{Commit, CommitMark},
        committed::{Answers, Committed},
        error::StoreError,
        host::Host,
        queue::{Batch, NextWork, WriterQueue},
        refusals::Refusals,
    },
};

/// The wait after a transaction that failed.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

/// The writer's state.
pub(crate) struct Writer {
    connection: Connection,
    guard: Guard,
    host: Arc<Host>,
    endpoints: Endpoints,
    commit: Commit,
    sequence: Sequence,
    sweep: Sweep,
    refusals: Refusals,
    fold: Fold,
    /// What came after an act that ended the transaction, and was not begun: it must not fail because of
    /// that act.
    rest: Option<Batch>,
}

impl Writer {
    /// `boot` makes the claims of this process differ from those of any earlier one; `last_event` is the
    /// last event that left any record.
    pub(super) fn new(
        (connection, guard): (Connection, Guard),
        host: Arc<Host>,
        endpoints: Endpoints,
        (boot, last_event): (i64, i64),
    ) -> Self {
        Self {
            connection,
            guard,
            host,
            endpoints,
            commit: Commit::new(boot),
            sequence: Sequence::new(last_event),
            sweep: Sweep::default(),
            refusals: Refusals::default(),
            fold: Fold::default(),
            rest: None,
        }
    }

    /// Waits for a batch and writes it. Returns what follows; `None` once the queue is closed and
    /// empty.
    pub(crate) fn write_next(&mut self, queue: &WriterQueue) -> Option<Committed> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => loop {
                match queue.next(self.fold.idle_wait()) {
                    NextWork::Write(batch) => break batch,
                    NextWork::Idle => self.fold.now(&self.connection),
                    NextWork::End => {
                        // A clean stop leaves no write-ahead log behind.
                        self.fold.now(&self.connection);
                        return None;
                    }
                }
            },
        };
        let committed = self.write(batch, queue);
        self.fold.written();
        Some(committed)
    }

    // Callgrind finds it by its name: crates/bench/tests/it/instructions.rs.
    #[inline(never)]
    fn write(&mut self, batch: Batch, queue: &WriterQueue) -> Committed {
        let Batch {
            mut sends,
            asks,
            completions,
        } = batch;
        let clock = CommitClock::start();
        let mut answers = Answers::default();
        let mut written = self.connection.run_batch("begin immediate");
        written = written.and_then(|()| self.endpoints.read_again(&self.connection));
        let offset = self.host.timeline.offset_to_store();
        if let Some(offset) = offset {
            written = written.and_then(|()| store_offset(&self.connection, offset));
        }
        let mut stored = 0;
        while let (Ok(()), Some(completion)) = (&written, completions.get(stored)) {
            written = completion.store(&mut self.tx());
            stored += usize::from(written.is_ok());
        }
        let mut asks = asks.into_iter();
        while let Some(ask) = asks.next() {
            let (act, begun) = (Act::from(ask), written.is_ok());
            answers.asks.push(if begun {
                act.run(&mut self.tx())
            } else {
                act.refuse()
            });
            self.notice_rollback(&mut written);
            if begun && written.is_err() {
                let behind = Batch {
                    sends: std::mem::take(&mut sends),
                    asks: asks.by_ref().collect(),
                    completions: Vec::new(),
                };
                self.rest = Some(behind).filter(|rest| !rest.is_empty());
            }
        }
        for send in sends {
            let result = match &written {
                Ok(()) => self.store_all(&send.customer, send.events),
                Err(error) => Err(SendError::Store(error.clone())),
            };
            match &result {
                // An endpoint of this customer is damaged: nothing was written, and nobody else is affected.
                Err(SendError::Store(error)) if error.is_about_an_endpoint() => {}
                Err(SendError::Store(error)) => written = Err(error.clone()),
                _ => {}
            }
            answers.sends.push((send.reply, result));
            self.notice_rollback(&mut written);
        }
        crash_point::reach("before_commit");
        if !completions.is_empty() {
            crash_point::reach("before_completion_commit");
        }
        written = written.and_then(|()| self.connection.run_batch("commit"));
        crash_point::reach("after_commit");
        if !completions.is_empty() {
            crash_point::reach("after_completion_commit");
        }
        if let Err(error) = written {
            for completion in &completions[..stored] {
                completion.taken_back();
            }
            let failed = self.failed(error, answers);
            queue.put_back(completions);
            return failed;
        }
        if let Some(offset) = offset {
            self.host.timeline.offset_is_stored(offset);
        }
        if !completions.is_empty() || !answers.sends.is_empty() {
            self.refusals.ended();
        }
        clock.committed(completions.len() + answers.len());
        self.commit.touched.clear();
        self.endpoints.cache.committed();
        Committed {
            answers,
            ..self.commit.take()
        }
    }

    fn tx(&mut self) -> Tx<'_> {
        Tx {
            connection: &self.connection,
            host: &self.host,
            commit: &mut self.commit,
            sequence: &mut self.sequence,
            endpoints: &mut self.endpoints,
            sweep: &mut self.sweep,
            guard: &self.guard,
        }
    }

    /// On a full disk SQLite rolls back the whole transaction by itself; later statements would then each
    /// be committed alone, although their callers are told that nothing was stored.
    fn notice_rollback(&self, written: &mut Result<(), StoreError>) {
        if written.is_ok() && self.connection.is_autocommit() {
            *written = Err(StoreError::RolledBack);
        }
    }

    fn store_all(
        &mut self,
        customer: &str,
        events: Vec<PreparedEvent>,
    ) -> Result<Vec<SendReceipt>, SendError> {
        // If one of several events conflicts, none of them is stored.
        let scope = if events.len() > 1 {
            Scope::Savepoint
        } else {
            Scope::Transaction
        };
        store_events(&mut self.tx(), customer, events, scope)
    }

    /// Nothing of the transaction is stored: the callers get the error, and memory is corrected.
    fn failed(&mut self, error: StoreError, answers: Answers) -> Committed {
        self.refusals.note(&error, self.host.timeline.now());
        if let Err(error) = self.connection.execute_batch("rollback") {
            // On a full disk SQLite rolls back by itself, and there is nothing left to do.
            tracing::debug!(%error, "no transaction was left to roll back");
        }
        self.endpoints.rolled_back(&self.connection);
        self.endpoints.cache.committed();
        self.tx().roll_back_to(CommitMark::default());
        let refused_refills = answers.give(&Err(error));
        // After the answers: a load that was refused among them is not requested again at once.
        for outbox in std::mem::take(&mut self.commit.touched) {
            self.commit.follow(&outbox, outbox.lane_is_uncertain());
        }
        // A full disk stays full for a while: trying again at once would spin.
        std::thread::sleep(FAILURE_PAUSE);
        Committed {
            refused_refills,
            ..self.commit.take()
        }
    }
}
