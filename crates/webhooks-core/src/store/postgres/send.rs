//! Storing events and the deliveries they owe: every send of a batch in a few statements.

use std::{collections::HashMap, sync::Arc};

use super::{
    new_events::NewEvents,
    owing::{Owed, Owing},
    partition::day_of,
    tx::Tx,
};
use crate::{
    endpoint::wants,
    event::PreparedEvent,
    model::delivery::StoredEvent,
    outbox::Outbox,
    same_json::is_same_json,
    send::{SendError, SendReceipt},
    store::{committed::SendResult, error::StoreError, queue::SendJob, reply::Reply},
};

/// Places in the number of a batch: its numbers are `batch << 12 | place`.
pub(super) const PLACES: usize = 1 << 12;

/// The numbers that the events of a batch get, in the order of their places.
#[derive(Default)]
pub(super) struct Numbers {
    bases: Vec<i64>,
    next: usize,
}

impl Numbers {
    /// `batches`: the numbers of batches that were drawn for it.
    pub(super) fn new(batches: Vec<i64>) -> Self {
        Self {
            bases: batches.into_iter().map(|batch| batch << 12).collect(),
            next: 0,
        }
    }

    fn next(&mut self) -> Result<i64, StoreError> {
        let (batch, place) = (self.next / PLACES, self.next % PLACES);
        let base = self.bases.get(batch).ok_or(StoreError::Gone)?;
        self.next += 1;
        Ok(base + i64::try_from(place).unwrap_or_default())
    }
}

/// What the sends of a batch add.
#[derive(Default)]
pub(super) struct Additions {
    pub(super) events: NewEvents,
    pub(super) owing: Owing,
    /// Events by customer and id of which the id was chosen, with their receipts: the same id again
    /// within the batch.
    chosen: HashMap<(String, String), (PreparedEvent, usize)>,
}

/// Where an answer goes, and what it is.
pub(super) type Answer = (Reply<Vec<SendReceipt>, SendError>, SendResult);

impl Tx<'_> {
    /// Stores the events of a batch, whose customers are known. An error of a send is in its answer; one
    /// of the store ends the transaction.
    pub(super) async fn store_sends(
        &mut self,
        sends: impl IntoIterator<Item = SendJob>,
        numbers: &mut Numbers,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let (additions, placed) = self.place_sends(sends, numbers, answers).await;
        let written = self.write(additions).await;
        placed.and(written)
    }

    /// Places the events of a batch in memory. Of those that are to be stored nothing is, unless their ids
    /// were chosen.
    pub(super) async fn place_sends(
        &mut self,
        sends: impl IntoIterator<Item = SendJob>,
        numbers: &mut Numbers,
        answers: &mut Vec<Answer>,
    ) -> (Additions, Result<(), StoreError>) {
        let mut failed: Option<StoreError> = None;
        let mut additions = Additions::default();
        for SendJob {
            customer,
            events,
            reply,
        } in sends
        {
            let result = match &failed {
                Some(error) => Err(SendError::Store(error.clone())),
                None => {
                    self.store_send(&customer, events, numbers, &mut additions)
                        .await
                }
            };
            if let Err(SendError::Store(error)) = &result
                && !error.is_about_an_endpoint()
                && failed.is_none()
            {
                failed = Some(error.clone());
            }
            answers.push((reply, result));
        }
        (additions, failed.map_or(Ok(()), Err))
    }

    /// Stores the events of one caller by themselves, all of them or none.
    pub(super) async fn store_alone(
        &mut self,
        customer: &str,
        events: Vec<PreparedEvent>,
        numbers: &mut Numbers,
    ) -> Result<Vec<SendReceipt>, SendError> {
        let mut additions = Additions::default();
        let sent = self
            .store_send(customer, events, numbers, &mut additions)
            .await;
        self.write(additions).await?;
        sent
    }

    /// Stores the events of one caller, all of them or none.
    async fn store_send(
        &mut self,
        customer: &str,
        events: Vec<PreparedEvent>,
        numbers: &mut Numbers,
        additions: &mut Additions,
    ) -> Result<Vec<SendReceipt>, SendError> {
        // First: an endpoint that cannot be read refuses the events before anything is written.
        let outboxes = self.of_customer(customer).await?;
        let chooses = events.iter().any(|event| event.is_id_chosen);
        if !chooses {
            return Ok(events
                .into_iter()
                .map(|event| self.add_event(customer, &outboxes, event, numbers, additions))
                .collect::<Result<_, _>>()?);
        }
        let alone = events.len() == 1;
        if !alone {
            // One of them may conflict: then none is stored. What others have added stays.
            self.connection
                .execute("savepoint webhooks_send")
                .await
                .map_err(StoreError::from)?;
        }
        let chosen = self.note_ids(customer, &events, numbers, additions).await;
        let accepted = match chosen {
            Ok(accepted) => accepted,
            Err(error) => {
                if !alone && !matches!(error, SendError::Store(_)) {
                    self.connection
                        .execute("rollback to webhooks_send; release webhooks_send")
                        .await
                        .map_err(StoreError::from)?;
                }
                return Err(error);
            }
        };
        if !alone {
            self.connection
                .execute("release webhooks_send")
                .await
                .map_err(StoreError::from)?;
        }
        let mut receipts = Vec::with_capacity(accepted.len());
        for accepted in accepted {
            receipts.push(match accepted {
                Accepted::Known(receipt) => receipt,
                Accepted::New(event, seq) => {
                    let id = event
                        .is_id_chosen
                        .then(|| (customer.to_owned(), event.clone()));
                    let receipt = self.add_as(customer, &outboxes, event, seq, additions);
                    if let Some((customer, event)) = id {
                        let key = (customer, event.id.clone());
                        additions.chosen.insert(key, (event, receipt.deliveries));
                    }
                    receipt
                }
            });
        }
        Ok(receipts)
    }

    /// Gives events their numbers, and notes the ids that their caller chose, each once.
    async fn note_ids(
        &mut self,
        customer: &str,
        events: &[PreparedEvent],
        numbers: &mut Numbers,
        additions: &Additions,
    ) -> Result<Vec<Accepted>, SendError> {
        let mut accepted: Vec<Accepted> = Vec::with_capacity(events.len());
        for event in events {
            let seq = numbers.next()?;
            if !event.is_id_chosen {
                accepted.push(Accepted::New(event.clone(), seq));
                continue;
            }
            let key = (customer.to_owned(), event.id.clone());
            let in_batch = additions
                .chosen
                .get(&key)
                .map(|(event, deliveries)| (event, *deliveries));
            // One of the same call comes to as many deliveries as will be said of the first.
            let in_call = || {
                events
                    .iter()
                    .zip(&accepted)
                    .find(|(before, _)| before.is_id_chosen && before.id == event.id)
                    .map(|(before, _)| (before, 0))
            };
            if let Some((before, deliveries)) = in_batch.or_else(in_call) {
                if !is_same(&before.event_type, &before.body, event) {
                    return Err(SendError::Conflict(event.id.clone()));
                }
                accepted.push(Accepted::Known(SendReceipt {
                    event_id: event.id.clone(),
                    deliveries,
                    duplicate: true,
                }));
                continue;
            }
            if let Some(known) = self.reader().known(customer, event).await? {
                accepted.push(Accepted::Known(known));
                continue;
            }
            let place = (seq, day_of(self.now()));
            if !self.reader().note_id(customer, &event.id, place).await? {
                // Another node stored it between the two statements.
                let known = self.reader().known(customer, event).await?;
                let known = known.ok_or(SendError::Store(StoreError::Gone))?;
                accepted.push(Accepted::Known(known));
                continue;
            }
            accepted.push(Accepted::New(event.clone(), seq));
        }
        Ok(accepted)
    }

    fn add_event(
        &mut self,
        customer: &str,
        outboxes: &[Arc<Outbox>],
        event: PreparedEvent,
        numbers: &mut Numbers,
        additions: &mut Additions,
    ) -> Result<SendReceipt, StoreError> {
        let seq = numbers.next()?;
        Ok(self.add_as(customer, outboxes, event, seq, additions))
    }

    fn add_as(
        &mut self,
        customer: &str,
        outboxes: &[Arc<Outbox>],
        event: PreparedEvent,
        seq: i64,
        additions: &mut Additions,
    ) -> SendReceipt {
        let stored = Arc::new(StoredEvent {
            seq,
            id: event.id,
            body: event.body,
            traceparent: event.traceparent,
        });
        let day = day_of(self.now());
        let mut deliveries = 0;
        for outbox in outboxes {
            if wants(&outbox.endpoint().event_types, &event.event_type) {
                let owed = Owed {
                    event: &stored,
                    day,
                    number: 0,
                };
                additions.owing.add(self, outbox, &owed);
                deliveries += 1;
            }
        }
        let rows = &mut additions.events;
        rows.seqs.push(seq);
        rows.ids.push(stored.id.clone());
        rows.customers.push(customer.to_owned());
        rows.types.push(event.event_type);
        rows.bodies.push(stored.body.clone());
        rows.traceparents.push(stored.traceparent.clone());
        self.commit.follows.accepted += 1;
        SendReceipt {
            event_id: stored.id.clone(),
            deliveries,
            duplicate: false,
        }
    }

    async fn write(&mut self, additions: Additions) -> Result<(), StoreError> {
        let Additions { events, owing, .. } = additions;
        owing.write(self, &events).await
    }
}

/// What becomes of an event whose id may be known.
enum Accepted {
    Known(SendReceipt),
    /// With its number.
    New(PreparedEvent, i64),
}

pub(super) fn is_same(event_type: &str, body: &[u8], event: &PreparedEvent) -> bool {
    event_type == event.event_type && (*body == event.body[..] || is_same_json(body, &event.body))
}
