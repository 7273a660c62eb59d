//! Storing events and their deliveries: every send of a batch in a few statements.

use std::{collections::HashMap, sync::Arc};

use super::{
    chosen_ids::{Accepted, AcceptedCall, Behind, Call},
    error::refusal_of,
    new_deliveries::{NewDeliveries, NewDelivery},
    new_events::NewEvents,
    partition::day_of,
    tx::Tx,
};
use crate::{
    endpoint::wants,
    event::PreparedEvent,
    model::delivery::StoredEvent,
    outbox::Outbox,
    send::{SendError, SendReceipt},
    store::{committed::SendResult, error::StoreError, queue::SendJob, reply::Reply},
};

/// Places per batch number: event numbers are `batch << 12 | place`.
pub(super) const PLACES: usize = 1 << 12;

/// The numbers that the events of a batch get, in the order of their places.
#[derive(Default)]
pub(super) struct Numbers {
    bases: Vec<i64>,
    next: usize,
}

impl Numbers {
    /// `batches`: the batch numbers that were drawn for it.
    pub(super) fn new(batches: Vec<i64>) -> Self {
        Self {
            bases: batches.into_iter().map(|batch| batch << 12).collect(),
            next: 0,
        }
    }

    /// The next `events` numbers.
    pub(super) fn take(&mut self, events: usize) -> Result<Vec<i64>, StoreError> {
        (0..events).map(|_| self.next()).collect()
    }

    /// Goes back to `place`, which [`Numbers::place`] returned: the numbers taken since are used again, because
    /// nothing with them is stored.
    pub(super) fn rewind(&mut self, place: usize) {
        self.next = place;
    }

    pub(super) fn place(&self) -> usize {
        self.next
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
    pub(super) deliveries: NewDeliveries,
    /// For events whose id was chosen, to how many endpoints they go, by customer and id: needed if the same id
    /// comes again within the batch.
    chosen: HashMap<(String, String), usize>,
}

/// Where an answer goes, and what it is.
pub(super) type Answer = (Reply<Vec<SendReceipt>, SendError>, SendResult);

/// What became of some of the sends of a batch.
enum PartStored {
    /// All of them are answered.
    Answered(Vec<Answer>),
    /// Nothing is stored: one of them is refused, but it is not known which.
    Refused(Vec<SendJob>),
    /// All of them are answered with an error that ends the transaction.
    Failed(Vec<Answer>, StoreError),
}

/// Events that have their places in memory, and the answers to give once they are stored.
pub(super) struct Placed {
    pub(super) additions: Additions,
    pub(super) answers: Vec<Answer>,
    /// The error if the transaction ends here.
    pub(super) placed: Result<(), StoreError>,
}

impl Tx<'_> {
    /// Stores the events of a batch, whose customers are known. An error of a send is in its answer; one
    /// of the store ends the transaction.
    pub(super) async fn store_sends(
        &mut self,
        sends: impl IntoIterator<Item = SendJob>,
        numbers: &mut Numbers,
    ) -> (Vec<Answer>, Result<(), StoreError>) {
        let Placed {
            additions,
            answers,
            placed,
        } = self.place_sends(sends, numbers).await;
        let written = self.write(additions).await;
        (answers, placed.and(written))
    }

    /// Stores the events of sends in a transaction that contains other work: if the database refuses something of
    /// a call, only that call fails.
    pub(super) async fn store_sends_apart(
        &mut self,
        sends: impl IntoIterator<Item = SendJob>,
        numbers: &mut Numbers,
    ) -> (Vec<Answer>, Result<(), StoreError>) {
        let mut answers = Vec::new();
        let mut parts = vec![sends.into_iter().collect::<Vec<SendJob>>()];
        while let Some(part) = parts.pop() {
            match self.store_part(part, numbers).await {
                PartStored::Answered(answered) => answers.extend(answered),
                PartStored::Refused(mut part) => {
                    let behind = part.split_off(part.len() / 2);
                    parts.extend([behind, part]);
                }
                PartStored::Failed(answered, error) => {
                    answers.extend(answered);
                    answers.extend(refuse_sends(parts.into_iter().flatten(), &error));
                    return (answers, Err(error));
                }
            }
        }
        (answers, Ok(()))
    }

    /// Stores the events of these sends, or nothing of them. A single refused send is answered.
    async fn store_part(&mut self, part: Vec<SendJob>, numbers: &mut Numbers) -> PartStored {
        let savepoint = match self.savepoint().await {
            Ok(savepoint) => savepoint,
            Err(error) => return PartStored::Failed(refuse_sends(part, &error).collect(), error),
        };
        let place = numbers.place();
        let sent = part.iter();
        let sent: Vec<_> = sent
            .map(|send| (send.customer.clone(), send.events.clone()))
            .collect();
        let (answered, stored) = self.store_sends(part, numbers).await;
        let Err(error) = stored else {
            return PartStored::Answered(answered);
        };
        if refusal_of(&error).is_none() {
            return PartStored::Failed(answered, error);
        }
        if let Err(error) = self.roll_back_to(savepoint).await {
            return PartStored::Failed(answered, error);
        }
        // From here on they join their lanes one after the other.
        self.lanes.are_first = false;
        numbers.rewind(place);
        let replies = answered.into_iter().map(|(reply, _)| reply);
        if sent.len() == 1 {
            let refused = replies.map(|reply| (reply, Err(SendError::Store(error.clone()))));
            return PartStored::Answered(refused.collect());
        }
        let sends = sent.into_iter().zip(replies);
        let sends = sends.map(|((customer, events), reply)| SendJob {
            customer,
            events,
            reply,
        });
        PartStored::Refused(sends.collect())
    }

    /// Places the events of a batch in memory. Nothing of them is stored yet, except chosen ids.
    pub(super) async fn place_sends(
        &mut self,
        sends: impl IntoIterator<Item = SendJob>,
        numbers: &mut Numbers,
    ) -> Placed {
        let mut additions = Additions::default();
        let sends: Vec<SendJob> = sends.into_iter().collect();
        let accepted = match self.accept_sends(&sends, numbers).await {
            Ok(accepted) => accepted,
            Err(error) => {
                return Placed {
                    additions,
                    answers: refuse_sends(sends, &error).collect(),
                    placed: Err(error),
                };
            }
        };
        let mut answers = Vec::with_capacity(sends.len());
        for (send, (seqs, accepted)) in sends.into_iter().zip(accepted) {
            let SendJob {
                customer,
                events,
                reply,
            } = send;
            let events = events.into_iter().zip(seqs);
            let placed = accepted
                .map(|accepted| self.place_call(&customer, events, accepted, &mut additions));
            answers.push((reply, placed));
        }
        Placed {
            additions,
            answers,
            placed: Ok(()),
        }
    }

    /// The numbers of the events of each send, and what is to be done with them.
    async fn accept_sends(
        &mut self,
        sends: &[SendJob],
        numbers: &mut Numbers,
    ) -> Result<Vec<(Vec<i64>, Result<AcceptedCall, SendError>)>, StoreError> {
        let calls: Vec<Call<'_>> = sends
            .iter()
            .map(|send| {
                Ok(Call {
                    customer: &send.customer,
                    events: &send.events,
                    seqs: numbers.take(send.events.len())?,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        let accepted = self.accept(&calls, Behind::Nobody).await?;
        let seqs = calls.into_iter().map(|call| call.seqs);
        Ok(seqs.zip(accepted).collect())
    }

    /// Places the events of a call, each with its number.
    pub(super) fn place_call(
        &mut self,
        customer: &str,
        events: impl Iterator<Item = (PreparedEvent, i64)>,
        call: AcceptedCall,
        additions: &mut Additions,
    ) -> Vec<SendReceipt> {
        let AcceptedCall {
            outboxes,
            events: accepted,
        } = call;
        let mut receipts = Vec::with_capacity(accepted.len());
        for ((event, seq), accepted) in events.zip(accepted) {
            receipts.push(match accepted {
                Accepted::Known(receipt) => receipt,
                Accepted::Again => {
                    let id = (customer.to_owned(), event.id.clone());
                    SendReceipt {
                        deliveries: additions.chosen.get(&id).copied().unwrap_or_default(),
                        event_id: event.id,
                        duplicate: true,
                    }
                }
                Accepted::New => {
                    let is_id_chosen = event.is_id_chosen;
                    let receipt = self.add_as(customer, &outboxes, (event, seq), additions);
                    if is_id_chosen {
                        let id = (customer.to_owned(), receipt.event_id.clone());
                        additions.chosen.insert(id, receipt.deliveries);
                    }
                    receipt
                }
            });
        }
        receipts
    }

    fn add_as(
        &mut self,
        customer: &str,
        outboxes: &[Arc<Outbox>],
        (event, seq): (PreparedEvent, i64),
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
                let delivery = NewDelivery {
                    event: &stored,
                    day,
                    number: 0,
                };
                additions.deliveries.add(self, outbox, &delivery);
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

    pub(super) async fn write(&mut self, additions: Additions) -> Result<(), StoreError> {
        let Additions {
            events, deliveries, ..
        } = additions;
        deliveries.write(self, &events).await
    }
}

/// Answers all of them with an error of the store.
pub(super) fn refuse_sends(
    sends: impl IntoIterator<Item = SendJob>,
    error: &StoreError,
) -> impl Iterator<Item = Answer> {
    let refused = |send: SendJob| (send.reply, Err(SendError::Store(error.clone())));
    sends.into_iter().map(refused)
}
