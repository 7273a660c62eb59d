//! The most common batches, written by one statement that is a transaction by itself: one round trip
//! instead of four or more.
//!
//! Common are sends whose customers memory knows and whose ids are ours, and outcomes of successful
//! deliveries. Everything is decided in memory beforehand, and the statement writes nothing if the basis of
//! those decisions no longer holds: then the batch is written the long way, from the start.
//!
//! Its answer can be lost like that of any commit. The outcome is then looked up on another connection; from
//! that moment the server accepts nothing more from this one, even if the statement is still running.

use std::collections::{HashSet, VecDeque};

use super::{
    attempts::{Attempts, insert_attempts},
    completion::say_taken_away,
    error::is_lost,
    joining::{Joined, join_lanes},
    new_deliveries::{NewDeliveries, insert_deliveries},
    new_events::{NewEvents, insert_events},
    partition::day_of,
    send::{Answer, Numbers, PLACES, Placed},
    session::Statement,
    tx::Tx,
    witness::{Claims, Witness},
};
use crate::{
    event::PreparedEvent,
    model::outcome::Verdict,
    store::{
        commit::CommitMark,
        committed::Answers,
        completion::Completion,
        error::StoreError,
        queue::{Batch, SendJob},
    },
};

/// If the node is alive, the connection is the one that writes for it, and memory has heard of all changes of
/// endpoints: draws the number that events count from, after the transaction's own id (see `head.rs`).
/// It holds the lock on the node's row, so that the node cannot be declared dead meanwhile.
macro_rules! with_events {
    ($($rest:tt)*) => {
        concat!(
            "with me as materialized (
                 select case when pg_current_xact_id() is not null then nextval('webhooks.event_batch') << 12 end as base
                 from webhooks.node
                 where id = $1 and alive and writer = $2 and (select version from webhooks.change) = $3
                 for key share),
             events as (",
            insert_events!(
                "me.base + seq", day "$4", now "$5",
                from "me" ("$6", "$7", "$8", "$9", "$10", "$11")
            ),
            "),
             deliveries as (",
            insert_deliveries!(
                "me.base + seq", number "0", day "$4", now "$5",
                from "me" ("$12", "$13", "$14", "$15", "$16", "$17")
            ),
            "),",
            $($rest)*
        )
    };
}

/// Sends, and the lanes that they join.
const SEND: &str = with_events!(
    " lanes as (",
    join_lanes!(
        "me cross join unnest($18::int8[], $19::bool[])",
        woken "$20",
        now "$5",
        node "$1"
    ),
    ")
      select l.endpoint_key, l.node, l.is_new, l.is_due, me.base from me left join lanes l on true"
);
/// Outcomes, and sends that join no lane: in the order of locks, lanes come before deliveries.
const COMPLETE: &str = with_events!(
    " attempts as (",
    insert_attempts!(
        day "$4",
        from "me" ("$18", "$19", "$20", "$21", "$22", "$23", "$24", "$25", "$26", "$27")
    ),
    "),
      gone as (
          delete from webhooks.delivery d
          where d.event_seq = any($28) and (d.claim in (select unnest($29::int8[]))) is true
                and exists (select 1 from me)
          returning d.claim)
      select me.base, array(select claim from gone) from me"
);

/// What became of the statement.
pub(super) enum Sent {
    /// It is committed.
    Committed(Answered),
    /// Nothing of it is stored.
    RolledBack,
    /// The connection was lost before the answer arrived.
    Lost(StoreError),
}

/// What a committed statement returned.
#[derive(Default)]
pub(super) struct Answered {
    /// What the numbers of events count from.
    base: i64,
    /// The lanes that were joined; `None` if that is not known.
    joined: Option<Joined>,
    /// The claims of the deliveries that are gone; `None` if that is not known.
    gone: Option<HashSet<i64>>,
}

/// A batch whose sends are placed in memory.
pub(super) struct PlainBatch {
    events: NewEvents,
    deliveries: NewDeliveries,
    answers: Vec<Answer>,
    mark: CommitMark,
    /// The deliveries that succeeded.
    released: Claims,
    /// The time of everything that is written, on the timeline.
    now: i64,
}

/// Whether, as far as can be seen from here, nothing in a batch needs a query before it is written.
fn is_usual(batch: &Batch) -> bool {
    let mut events = batch.sends.iter().flat_map(|send| &send.events);
    batch.asks.is_empty()
        && batch.sends.iter().all(|send| !send.events.is_empty())
        && events.clone().count() <= PLACES
        && events.all(|event| !event.is_id_chosen)
        && batch.completions.iter().all(has_arrived)
}

/// Whether it was delivered, without any further consequence.
fn has_arrived(completion: &Completion) -> bool {
    let consequences = &completion.consequences;
    completion.attempt.is_some()
        && completion.verdict == Verdict::Delivered
        && !consequences.failing_changed
        && !consequences.returning
        && consequences.lane.is_none()
        && consequences.disabled.is_none()
}

impl Tx<'_> {
    fn is_plain(&self, batch: &Batch) -> bool {
        let is_known = |send: &SendJob| {
            let outboxes = self.endpoints.cache.of_customer(&send.customer);
            outboxes.is_some()
        };
        is_usual(batch)
            && self.endpoints.version.is_some()
            && self.endpoints.cache.is_sure()
            && self.has_partitions()
            && batch.sends.iter().all(is_known)
            && (batch.completions.is_empty() || !self.adds_to_lanes(batch))
    }

    /// Whether it adds to lanes, as far as can be seen before the sends are placed.
    fn adds_to_lanes(&self, batch: &Batch) -> bool {
        let outboxes = |send: &SendJob| self.endpoints.cache.of_customer(&send.customer);
        let mut known = batch.sends.iter().filter_map(outboxes);
        known.any(|known| known.iter().any(|outbox| outbox.adds_to_lane()))
    }

    /// Places the sends of a batch in memory, if the batch can be written in one statement. Otherwise leaves
    /// it as it was.
    pub(super) async fn place_plain(&mut self, batch: &mut Batch) -> Option<PlainBatch> {
        if !self.is_plain(batch) {
            return None;
        }
        let mark = self.commit.mark();
        // Numbers are only positions, until the statement has drawn what they count from.
        let mut places = Numbers::new(vec![0]);
        let sends = std::mem::take(&mut batch.sends);
        let Placed {
            additions,
            answers,
            placed,
        } = self.place_sends(sends, &mut places).await;
        let plain = PlainBatch {
            events: additions.events,
            deliveries: additions.deliveries,
            answers,
            mark,
            released: released(&batch.completions),
            now: self.now(),
        };
        let keeps_order = batch.completions.is_empty() || !plain.deliveries.joins_lanes();
        if placed.is_ok() && !plain.deliveries.refuses() && keeps_order {
            return Some(plain);
        }
        batch.sends = plain.take_back(self);
        None
    }

    /// Writes a batch whose sends are placed, on the connection that writes as `writer`.
    pub(super) async fn write_plain(
        &mut self,
        plain: &PlainBatch,
        completions: &[Completion],
        writer: i64,
    ) -> Sent {
        let answered = if completions.is_empty() {
            self.send_plain(plain, writer).await
        } else {
            self.complete_plain(plain, completions, writer).await
        };
        match answered {
            Ok(Some(answered)) => Sent::Committed(answered),
            Ok(None) => Sent::RolledBack,
            Err(error) if is_lost(&error) => Sent::Lost(error),
            Err(error) => {
                tracing::debug!(%error, "a batch is written statement by statement");
                Sent::RolledBack
            }
        }
    }

    async fn send_plain(
        &mut self,
        plain: &PlainBatch,
        writer: i64,
    ) -> Result<Option<Answered>, StoreError> {
        let statement = self.begin_plain(SEND, plain, writer);
        let statement = plain.deliveries.bind_lanes(statement);
        let rows: Vec<(_, _, _, _, i64)> = statement.read_rows(self.connection).await?;
        let Some(&(.., base)) = rows.first() else {
            return Ok(None);
        };
        let lanes = rows.into_iter();
        let lanes = lanes.map(|(key, node, is_new, is_due, _)| (key, node, is_new, is_due));
        Ok(Some(Answered {
            base,
            joined: Some(Joined::of(lanes)),
            gone: None,
        }))
    }

    async fn complete_plain(
        &mut self,
        plain: &PlainBatch,
        completions: &[Completion],
        writer: i64,
    ) -> Result<Option<Answered>, StoreError> {
        let mut attempts = Attempts::default();
        for completion in completions {
            let (row, key) = (&completion.row, completion.outbox.key());
            if let Some(attempt) = &completion.attempt {
                attempts.push((row.event.seq, key), row.number + 1, attempt);
            }
        }
        let statement = self.begin_plain(COMPLETE, plain, writer);
        let Claims { seqs, claims, .. } = &plain.released;
        let statement = attempts.bind_all(statement).bind(seqs).bind(claims);
        let answer: Option<(i64, Vec<i64>)> = statement.find_row(self.connection).await?;
        Ok(answer.map(|(base, gone)| Answered {
            base,
            joined: Some(Joined::default()),
            gone: Some(gone.into_iter().collect()),
        }))
    }

    /// The parameters that both statements begin with.
    fn begin_plain(&self, statement: &'static str, plain: &PlainBatch, writer: i64) -> Statement {
        let now = plain.now;
        let statement = self
            .query(statement)
            .bind(self.node)
            .bind(writer)
            .bind(self.endpoints.version)
            .bind(day_of(now))
            .bind(now);
        plain
            .deliveries
            .bind_deliveries(plain.events.bind_to(statement))
    }
}

impl Answered {
    /// `first`: the number of the batch's first event, if it has one.
    pub(super) fn unknown_but(first: Option<i64>) -> Self {
        Self {
            base: first.unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl PlainBatch {
    /// The evidence of whether it was committed.
    pub(super) fn witness(&self) -> Witness {
        match self.events.ids.first() {
            Some(id) => Witness::Sent {
                day: day_of(self.now),
                id: id.clone(),
            },
            None => Witness::Released(self.released.clone()),
        }
    }

    /// It is committed.
    pub(super) fn committed(
        self,
        tx: &mut Tx<'_>,
        completions: &[Completion],
        answered: &Answered,
    ) -> Answers {
        self.deliveries
            .written(tx, answered.base, answered.joined.as_ref());
        for completion in completions {
            let gone = answered.gone.as_ref();
            if gone.is_some_and(|gone| !gone.contains(&completion.row.claim)) {
                say_taken_away(completion);
            }
            tx.follow_completion(completion, completion.row.number + 1);
        }
        Answers {
            sends: self.answers,
            ..Answers::default()
        }
    }

    /// Nothing of it is stored: memory is as it was. Returns what was sent.
    pub(super) fn take_back(self, tx: &mut Tx<'_>) -> VecDeque<SendJob> {
        let Self {
            events,
            deliveries,
            answers,
            mark,
            ..
        } = self;
        deliveries.forget(tx);
        tx.commit.roll_back_to(mark);
        let mut events = events.into_events();
        let jobs = answers.into_iter().filter_map(|(reply, sent)| match sent {
            Ok(receipts) => {
                let (customers, events): (Vec<String>, Vec<PreparedEvent>) =
                    events.by_ref().take(receipts.len()).unzip();
                Some(SendJob {
                    customer: customers.into_iter().next()?,
                    events,
                    reply,
                })
            }
            Err(error) => {
                reply.give(Err(error));
                None
            }
        });
        jobs.collect()
    }
}

fn released(completions: &[Completion]) -> Claims {
    let rows = completions.iter();
    Claims {
        seqs: rows.clone().map(|of| of.row.event.seq).collect(),
        keys: rows.clone().map(|of| of.outbox.key()).collect(),
        claims: rows.map(|of| of.row.claim).collect(),
    }
}
