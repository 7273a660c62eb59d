//! The writer: takes a batch, runs it in one transaction, and returns what follows.

use std::sync::Arc;

use tokio::runtime::Runtime;

use super::{
    bell::Concerned,
    commit::{Committing, Ended, Settled},
    connection::Connector,
    error::{is_lost, refusal_of},
    floor::LaneFloors,
    head::{self, Head},
    held_lanes::HeldLanes,
    membership::Membership,
    plain_batch::{Answered, Sent},
    send::refuse_sends,
    session::Session,
    set_aside::{SetAside, StoredOutcomes},
    sweep::Sweep,
    tx::{Endpoints, Tx},
    witness::Witness,
};
use crate::{
    crash_point,
    metrics::CommitClock,
    store::{
        commit::Commit,
        committed::{Answers, Committed},
        completion::Completion,
        error::StoreError,
        host::Host,
        queue::{Batch, NextWork, WriterQueue},
        refusals::Refusals,
    },
};

/// The writer: it works on a thread and a runtime of its own, so that an app that blocks its own runtime
/// cannot hold it up.
pub(crate) struct Writer {
    runtime: Runtime,
    state: State,
}

/// What the writer keeps from one batch to the next.
pub(super) struct State {
    pub(super) connector: Connector,
    pub(super) connection: Option<Session>,
    pub(super) host: Arc<Host>,
    pub(super) endpoints: Endpoints,
    pub(super) commit: Commit,
    pub(super) sweep: Sweep,
    pub(super) refusals: Refusals,
    pub(super) lane_floors: LaneFloors,
    set_aside: SetAside,
    /// A deferred constraint refused a commit: from now on each statement checks it, so that what it refuses is
    /// found.
    defers_nothing: bool,
    /// Those that the current transaction has locked.
    lanes: HeldLanes,
    /// That of the current transaction.
    witness: Option<Witness>,
    /// The other nodes that the current transaction concerns.
    concerned: Concerned,
    pub(super) membership: Arc<Membership>,
    /// The node under whose number it claims.
    pub(super) node: i64,
    /// The share of requests in flight that endpoints have.
    pub(super) in_flight: u32,
}

/// A batch that is over.
struct Written {
    ended: Ended,
    /// A connection to continue with.
    connection: Option<Session>,
    answers: Answers,
    /// Outcomes were written, and memory has noted that.
    has_outcomes: bool,
}

impl Writer {
    pub(super) fn new(
        runtime: Runtime,
        connector: Connector,
        endpoints: Endpoints,
        membership: Arc<Membership>,
    ) -> Self {
        let host = Arc::clone(endpoints.cache.host());
        let node = membership.node();
        let in_flight = endpoints.reader.in_flight_share();
        Self {
            runtime,
            state: State {
                connector,
                connection: None,
                host,
                endpoints,
                commit: Commit::new(node),
                sweep: Sweep::default(),
                refusals: Refusals::default(),
                lane_floors: LaneFloors::default(),
                set_aside: SetAside::default(),
                defers_nothing: false,
                lanes: HeldLanes::default(),
                witness: None,
                concerned: Concerned::default(),
                membership,
                node,
                in_flight,
            },
        }
    }

    /// Waits for a batch and writes it. Returns what follows; `None` once the queue is closed and
    /// empty.
    pub(crate) fn write_next(&mut self, queue: &WriterQueue) -> Option<Committed> {
        let Self { runtime, state } = self;
        loop {
            let mut batch = match queue.next(state.set_aside.wait()) {
                NextWork::Write(batch) => batch,
                NextWork::Idle => Batch::default(),
                NextWork::End => {
                    state.set_aside.end();
                    runtime.block_on(state.leave());
                    return None;
                }
            };
            state.set_aside.add_due(&mut batch.completions);
            if !batch.is_empty() {
                return Some(runtime.block_on(state.write(batch, queue)));
            }
        }
    }
}

impl State {
    async fn write(&mut self, mut batch: Batch, queue: &WriterQueue) -> Committed {
        let clock = CommitClock::start();
        if self.membership.node() != self.node {
            self.rejoined();
        }
        self.share_in_flight();
        self.witness = None;
        self.lanes = HeldLanes::default();
        self.concerned = Concerned::default();
        self.endpoints.told = None;
        let written = match self.write_plain(&mut batch).await {
            Some(written) => written,
            None => self.write_stepwise(&mut batch).await,
        };
        let completions = batch.completions;
        crash_point::reach("after_commit");
        if !completions.is_empty() {
            crash_point::reach("after_completion_commit");
        }
        let Written {
            ended,
            connection,
            answers,
            has_outcomes,
        } = written;
        match ended {
            Ended::Failed(error) => {
                if has_outcomes {
                    for completion in &completions {
                        completion.taken_back();
                    }
                }
                let failed = self.failed(connection, error, answers).await;
                queue.put_back(completions);
                failed
            }
            Ended::Committed => {
                self.connection = connection;
                if !completions.is_empty() || !answers.sends.is_empty() {
                    self.refusals.ended();
                }
                clock.committed(completions.len() + answers.len());
                self.commit.touched.clear();
                self.endpoints.version = self.endpoints.told.take().or(self.endpoints.version);
                if let Some(version) = self.endpoints.version {
                    self.membership.heard_of(version);
                }
                self.endpoints.cache.committed();
                let concerned = std::mem::take(&mut self.concerned);
                self.membership.bell.ring(concerned);
                Committed {
                    answers,
                    ..self.commit.take()
                }
            }
        }
    }

    /// Writes a batch in one statement, if possible. `None`: nothing of it is stored, and it is as it was.
    async fn write_plain(&mut self, batch: &mut Batch) -> Option<Written> {
        if crash_point::is_unfenced() {
            return None;
        }
        let writer = self.connection.as_ref().and_then(Session::writer)?;
        let mut connection = self.connection.take()?;
        let mut tx = self.tx(&mut connection);
        let Some(plain) = tx.place_plain(batch).await else {
            self.connection = Some(connection);
            return None;
        };
        reach_commit(&batch.completions);
        let (settled, found) = match tx.write_plain(&plain, &batch.completions, writer).await {
            Sent::Committed(answered) => (Ok(answered), None),
            Sent::RolledBack => (Err(None), None),
            Sent::Lost(error) => {
                let mut found = None;
                let witness = Some(plain.witness());
                let settled = match self.settle(witness, &mut found, &error).await {
                    Settled::Committed(first) => Ok(Answered::unknown_but(first)),
                    Settled::RolledBack => Err(None),
                    Settled::Failed(error) => Err(Some(error)),
                };
                (settled, Some(found))
            }
        };
        let mut tx = self.tx(&mut connection);
        let ended = match settled {
            Ok(answered) => {
                let answers = plain.committed(&mut tx, &batch.completions, &answered);
                Some((Ended::Committed, answers))
            }
            Err(error) => {
                let sends = plain.take_back(&mut tx);
                match error {
                    Some(error) => {
                        let answers = Answers {
                            sends: refuse_sends(sends, &error).collect(),
                            ..Answers::default()
                        };
                        Some((Ended::Failed(error), answers))
                    }
                    None => {
                        batch.sends = sends;
                        None
                    }
                }
            }
        };
        // If it was lost, the one on which the outcome was looked up.
        let connection = found.unwrap_or(Some(connection));
        let Some((ended, answers)) = ended else {
            self.connection = connection;
            return None;
        };
        Some(Written {
            ended,
            connection,
            answers,
            has_outcomes: false,
        })
    }

    /// Writes a batch statement by statement, in one transaction.
    async fn write_stepwise(&mut self, batch: &mut Batch) -> Written {
        let events = batch.sends.iter().map(|send| send.events.len()).sum();
        let mut answers = Answers::default();
        let (mut connection, begun) = self.begin_anywhere(events).await;
        let (head, mut written) = match begun {
            Ok(head) => (head, Ok(())),
            Err(error) => (Head::default(), Err(error)),
        };
        let Head {
            mut numbers,
            version,
            ..
        } = head;
        let mut has_outcomes = false;
        if let Some(connection) = &mut connection
            && written.is_ok()
            && self.defers_nothing
        {
            written = connection.execute("set constraints all immediate").await;
        }
        if let Some(connection) = &mut connection
            && written.is_ok()
        {
            written = self.tx(connection).prepare(version, batch).await;
        }
        let sets_aside = self.set_aside.takes_from(batch);
        let sends = std::mem::take(&mut batch.sends);
        let asks = std::mem::take(&mut batch.asks);
        let mut outcomes = StoredOutcomes::default();
        if let Some(connection) = &mut connection {
            let mut tx = self.tx(connection);
            if written.is_ok() {
                written = if sets_aside {
                    let stored = tx.store_completions_apart(&batch.completions).await;
                    stored.map(|stored| outcomes = stored)
                } else {
                    tx.store_completions(&batch.completions).await
                };
                has_outcomes = written.is_ok();
            }
            for ask in asks {
                answers.asks.push(if written.is_ok() {
                    let (after, ended) = tx.perform(ask).await;
                    written = ended;
                    after
                } else {
                    super::perform::refuse(ask)
                });
            }
            if written.is_ok() {
                let are_alone = batch.completions.is_empty() && answers.asks.is_empty();
                let is_alone = sends.is_empty() || sends.len() == 1 && are_alone;
                (answers.sends, written) = if is_alone {
                    tx.store_sends(sends, &mut numbers).await
                } else {
                    tx.store_sends_apart(sends, &mut numbers).await
                };
                if written.is_ok() {
                    written = tx.tell_of_changes().await;
                }
            } else if let Err(error) = &written {
                answers.sends.extend(refuse_sends(sends, error));
            }
        } else if let Err(error) = &written {
            answers
                .asks
                .extend(asks.into_iter().map(super::perform::refuse));
            answers.sends.extend(refuse_sends(sends, error));
        }
        self.set_aside.take(&mut batch.completions, outcomes);
        reach_commit(&batch.completions);
        let ended = match written {
            Ok(()) => self.commit(&mut connection).await,
            Err(error) => Ended::Failed(error),
        };
        Written {
            ended,
            connection,
            answers,
            has_outcomes,
        }
    }

    async fn commit(&mut self, held: &mut Option<Session>) -> Ended {
        let witness = self.witness.take();
        let ended = self.committing(witness).commit(held).await;
        if let Ended::Failed(error) = &ended {
            self.defers_nothing |= refusal_of(error).is_some();
        }
        ended
    }

    async fn settle(
        &self,
        witness: Option<Witness>,
        found: &mut Option<Session>,
        lost: &StoreError,
    ) -> Settled {
        self.committing(witness).settle(found, lost).await
    }

    fn committing(&self, witness: Option<Witness>) -> Committing<'_> {
        Committing {
            connector: &self.connector,
            membership: &self.membership,
            node: self.node,
            witness,
        }
    }

    /// Begins a transaction on the existing connection. If that was lost since its last transaction, it is
    /// replaced once, because nothing has been written on it yet.
    async fn begin_anywhere(
        &mut self,
        events: usize,
    ) -> (Option<Session>, Result<Head, StoreError>) {
        if let Some(mut connection) = self.connection.take() {
            match self.begin(&mut connection, events).await {
                Err(error) if is_lost(&error) => {
                    tracing::debug!(%error, "the connection was lost; reconnecting");
                }
                begun => return (Some(connection), begun),
            }
        }
        // A server that crashed, or another one, may give out the same numbers again.
        self.lane_floors.clear();
        match head::connect(&self.connector, &self.membership, self.node).await {
            Ok((mut connection, true)) => {
                let begun = self.begin(&mut connection, events).await;
                (Some(connection), begun)
            }
            Ok((_, false)) => (None, Err(StoreError::Fenced)),
            Err(error) => (None, Err(error)),
        }
    }

    async fn begin(&mut self, connection: &mut Session, events: usize) -> Result<Head, StoreError> {
        let begun = Head::begin(&self.connector, connection, (self.node, events)).await;
        match &begun {
            Ok(head) => self.lane_floors.begin(head.horizon),
            Err(StoreError::Fenced) => self.membership.fenced(self.node),
            Err(_) => {}
        }
        begun
    }

    pub(super) fn tx<'a>(&'a mut self, connection: &'a mut Session) -> Tx<'a> {
        Tx {
            connection,
            schema: &self.connector.address.schema,
            host: &self.host,
            commit: &mut self.commit,
            endpoints: &mut self.endpoints,
            sweep: &mut self.sweep,
            due_floors: &self.membership.due_floors,
            favourites: &self.membership.favourites,
            lane_floors: &mut self.lane_floors,
            lanes: &mut self.lanes,
            witness: &mut self.witness,
            concerned: &mut self.concerned,
            node: self.node,
            names_statements: self.connector.names_statements(),
        }
    }
}

fn reach_commit(completions: &[Completion]) {
    crash_point::reach("before_commit");
    if !completions.is_empty() {
        crash_point::reach("before_completion_commit");
    }
}

impl Tx<'_> {
    /// What has to be done before anything is written. `version`: of all endpoints together.
    async fn prepare(&mut self, version: i64, batch: &Batch) -> Result<(), StoreError> {
        self.keep_partitions().await?;
        self.hear_of_changes(version).await?;
        self.lock_lanes_of(batch).await
    }
}
