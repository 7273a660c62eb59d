//! Ids that callers chose: each is one event of its customer, whoever sends it, and however often.
//!
//! A transaction that inserts an id which another has inserted waits until that one is over, and an app's can be
//! open for minutes. So the ids of a batch are inserted before its events are placed, all in one statement and in
//! their order, and the wait is only a moment. If an id cannot be had by then, each call inserts its own: a call that
//! wants an id which another transaction has gets that answer, and is retried for a while (`store/busy.rs`). The
//! others of its batch are stored.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    partition::day_of,
    tx::{Keep, Tx},
};
use crate::{
    event::PreparedEvent,
    outbox::Outbox,
    same_json::is_same_json,
    send::{SendError, SendReceipt},
    store::error::StoreError,
};

/// How long to wait for the ids of a batch: longer than most transactions that insert ids take.
const IDS_WAIT: Duration = Duration::from_millis(20);
/// How long to wait after that for the ids of one call: in effect, not at all.
const CALL_WAIT: Duration = Duration::from_millis(1);

/// Events that are stored together or not at all, with their numbers.
pub(super) struct Call<'a> {
    pub(super) customer: &'a str,
    pub(super) events: &'a [PreparedEvent],
    pub(super) seqs: Vec<i64>,
}

/// What else waits if one call waits for an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    Nobody,
    /// The later calls of its customer, which keep their order.
    Customer,
}

/// A call whose events can be stored.
pub(super) struct AcceptedCall {
    /// Those of the customer.
    pub(super) outboxes: Arc<[Arc<Outbox>]>,
    /// What is to be done with each event.
    pub(super) events: Vec<Accepted>,
}

/// What is to be done with an event.
pub(super) enum Accepted {
    New,
    /// It was stored before.
    Known(SendReceipt),
    /// It is the same as an earlier one of this batch.
    Again,
}

/// A customer, and an id that it chose.
type Id<'a> = (&'a str, &'a str);
/// What is to be done with the events of each call.
type Verdicts = Vec<Result<Vec<Accepted>, SendError>>;

/// Ids that this transaction has inserted, with their events.
type Noted<'a> = HashMap<Id<'a>, &'a PreparedEvent>;

impl Tx<'_> {
    /// Decides what is to be done with the events of each call, and inserts the ids that are new.
    pub(super) async fn accept(
        &mut self,
        calls: &[Call<'_>],
        behind: Behind,
    ) -> Result<Vec<Result<AcceptedCall, SendError>>, StoreError> {
        // First, so that an endpoint that cannot be read refuses the events before anything is written.
        let mut customers = Vec::with_capacity(calls.len());
        for call in calls {
            match self.of_customer(call.customer).await {
                Err(error) if !error.is_about_an_endpoint() => return Err(error),
                known => customers.push(known),
            }
        }
        let readable = calls.iter().zip(&customers);
        let readable: Vec<&Call<'_>> = readable
            .filter_map(|(call, customer)| customer.is_ok().then_some(call))
            .collect();
        let mut verdicts = self.note_ids(&readable, behind).await?.into_iter();
        let accepted = customers.into_iter().map(|customer| {
            let outboxes = customer?;
            let verdict = verdicts.next().unwrap_or_else(|| Ok(Vec::new()));
            let events = verdict?;
            Ok(AcceptedCall { outboxes, events })
        });
        Ok(accepted.collect())
    }

    async fn note_ids<'a>(
        &mut self,
        calls: &[&'a Call<'a>],
        behind: Behind,
    ) -> Result<Verdicts, StoreError> {
        let mut noted = Noted::new();
        let mut events = calls.iter().flat_map(|call| call.events);
        if !events.any(|event| event.is_id_chosen) {
            let new = |call: &&Call<'_>| Ok(call.events.iter().map(|_| Accepted::New).collect());
            return Ok(calls.iter().map(new).collect());
        }
        if let Some(verdicts) = self.note(calls, &mut noted, IDS_WAIT).await? {
            return Ok(verdicts);
        }
        let mut verdicts = Verdicts::with_capacity(calls.len());
        let mut waiting = HashSet::new();
        for call in calls {
            let verdict = if waiting.contains(call.customer) {
                None
            } else {
                let alone = self.note(std::slice::from_ref(call), &mut noted, CALL_WAIT);
                alone.await?.and_then(|mut verdicts| verdicts.pop())
            };
            verdicts.push(verdict.unwrap_or_else(|| {
                if behind == Behind::Customer {
                    waiting.insert(call.customer);
                }
                let mut chosen = call.events.iter().filter(|event| event.is_id_chosen);
                let id = chosen.next().map(|event| event.id.clone());
                Err(SendError::Busy(id.unwrap_or_default()))
            }));
        }
        Ok(verdicts)
    }

    /// Inserts the ids of these calls. Returns `None`, and inserts nothing, if another transaction has one of them,
    /// or if one was inserted for a call that is refused, so that another call may get it.
    async fn note<'a>(
        &mut self,
        calls: &[&'a Call<'a>],
        noted: &mut Noted<'a>,
        wait: Duration,
    ) -> Result<Option<Verdicts>, StoreError> {
        // The first of each id, in the order of the ids.
        let mut firsts: BTreeMap<Id<'a>, (&'a PreparedEvent, i64)> = BTreeMap::new();
        for call in calls {
            for (event, seq) in call.events.iter().zip(&call.seqs) {
                let id = (call.customer, event.id.as_str());
                if event.is_id_chosen && !noted.contains_key(&id) {
                    firsts.entry(id).or_insert((event, *seq));
                }
            }
        }
        let noting = self.unless_busy(wait, async |tx: &mut Tx<'_>| {
            let inserted = tx.insert_ids(&firsts).await?;
            let mut known = noted.clone();
            known.extend(inserted.iter().map(|id| (*id, firsts[id].0)));
            let mut verdicts = Verdicts::with_capacity(calls.len());
            let mut keep = Keep::All;
            for call in calls {
                let verdict = tx.judge(call, (&known, &inserted)).await;
                if let Err(SendError::Store(error)) = verdict {
                    return Err(error);
                }
                let owns = |event: &PreparedEvent| {
                    let id = (call.customer, event.id.as_str());
                    inserted.contains(&id) && std::ptr::eq(firsts[&id].0, event)
                };
                if verdict.is_err() && call.events.iter().any(owns) {
                    keep = Keep::Nothing;
                }
                verdicts.push(verdict);
            }
            let known = (keep == Keep::All).then_some(known);
            Ok(((verdicts, known), keep))
        });
        let Some((verdicts, known)) = noting.await? else {
            return Ok(None);
        };
        let is_alone = calls.len() == 1;
        Ok(match known {
            Some(known) => {
                *noted = known;
                Some(verdicts)
            }
            // The call is refused whatever the others do.
            None => is_alone.then_some(verdicts),
        })
    }

    /// Returns those that were new.
    async fn insert_ids<'a>(
        &mut self,
        firsts: &BTreeMap<Id<'a>, (&'a PreparedEvent, i64)>,
    ) -> Result<HashSet<Id<'a>>, StoreError> {
        if firsts.is_empty() {
            return Ok(HashSet::new());
        }
        let (customers, ids): (Vec<&str>, Vec<&str>) = firsts.keys().copied().unzip();
        let seqs: Vec<i64> = firsts.values().map(|(_, seq)| *seq).collect();
        let seqs: Vec<i64> = self
            .query(
                // A chosen id may equal one that an engine made. Its event is looked up as in `find_event`.
                "insert into webhooks.event_key (customer, id, seq, day)
                 select t.customer, t.id, t.seq, $4
                 from unnest($1::text[], $2::text[], $3::int8[]) with ordinality as t(customer, id, seq, place)
                 where (select x.seq from webhooks.event x
                        where x.id = t.id and x.customer || '' = t.customer limit 1) is null
                 order by t.place
                 on conflict (customer, id) do nothing
                 returning seq",
            )
            .bind(&customers)
            .bind(&ids)
            .bind(&seqs)
            .bind(day_of(self.now()))
            .read_values(self.connection)
            .await?;
        let seqs: HashSet<i64> = seqs.into_iter().collect();
        let inserted = firsts.iter().filter(|(_, (_, seq))| seqs.contains(seq));
        Ok(inserted.map(|(id, _)| *id).collect())
    }

    /// What is to be done with the events of a call. `known`: the ids of this transaction; those in `inserted` were
    /// inserted just now.
    async fn judge(
        &mut self,
        call: &Call<'_>,
        (known, inserted): (&Noted<'_>, &HashSet<Id<'_>>),
    ) -> Result<Vec<Accepted>, SendError> {
        let mut accepted = Vec::with_capacity(call.events.len());
        for event in call.events {
            let id = (call.customer, event.id.as_str());
            accepted.push(match known.get(&id) {
                _ if !event.is_id_chosen => Accepted::New,
                Some(first) if std::ptr::eq(*first, event) && inserted.contains(&id) => {
                    Accepted::New
                }
                Some(first) if is_same(&first.event_type, &first.body, event) => Accepted::Again,
                Some(_) => return Err(SendError::Conflict(event.id.clone())),
                None => {
                    // The transaction that inserted it is committed.
                    let receipt = self.reader().known(call.customer, event).await?;
                    Accepted::Known(receipt.ok_or(SendError::Store(StoreError::Gone))?)
                }
            });
        }
        Ok(accepted)
    }
}

/// Whether an event has this type and body.
pub(super) fn is_same(event_type: &str, body: &[u8], event: &PreparedEvent) -> bool {
    event_type == event.event_type && (*body == event.body[..] || is_same_json(body, &event.body))
}
