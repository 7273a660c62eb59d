//! What each ask does.

use std::sync::Arc;

use super::{refill::Occasion, tx::Tx};
use crate::store::{
    ask::Ask,
    committed::{AfterCommit, RefusedRefill},
    error::StoreError,
    reply::Reply,
    taken_away::TakenAway,
};

/// The result of an ask, and whether the transaction can continue.
type Performed = (AfterCommit, Result<(), StoreError>);

impl Tx<'_> {
    /// Does what is asked. What people ask for is stored completely or not at all; an error in what the
    /// engine asks for itself ends the transaction, which is then retried.
    pub(super) async fn perform(&mut self, ask: Ask) -> Performed {
        match ask {
            #[cfg(feature = "sqlite")]
            Ask::Sqlite(act) => (act.refuse(), Ok(())),
            Ask::Refill(outbox) => {
                let refilled = self.refill(&outbox, Occasion::Asked).await;
                let ended = refilled.clone();
                let after = move |committed: Result<(), StoreError>| {
                    let error = committed.and(refilled).err()?;
                    outbox.refill_refused();
                    Some(RefusedRefill { outbox, error })
                };
                (Box::new(after), ended)
            }
            Ask::Scan(probes, reply) => whole(reply, self.scan(probes).await),
            Ask::Maintain(reply) => whole(reply, self.maintain().await),
            Ask::NoteClock(reply) => whole(reply, Ok(())),
            Ask::LetGo(of, reply) => {
                let gone = self.let_go(of).await;
                let ended = gone.as_ref().map(drop).map_err(StoreError::clone);
                let after = move |committed: Result<(), StoreError>| {
                    reply.give(committed.and(gone).map(|gone| {
                        let more = gone.leaves_lanes;
                        gone.stored();
                        more
                    }));
                    None
                };
                (Box::new(after), ended)
            }
            Ask::GiveBack(lanes, reply) => whole(reply, self.give_back(&lanes).await),
            Ask::Stop(reply) => whole(reply, self.count_pending().await),
            Ask::NextDueOfHealthy(reply) => {
                whole(reply, self.next_due().await.map(|due| due.healthy))
            }
            #[cfg(feature = "testing")]
            Ask::NextDue(reply) => {
                let due = self.next_due().await;
                let paced = self.endpoints.cache.waits_for_clock();
                whole(reply, due.map(|due| (due.first(), paced)))
            }
            #[cfg(feature = "testing")]
            Ask::Hold(reply, released) => {
                reply.give(Ok(()));
                // An error means that it was released.
                let _ = released.recv();
                (Box::new(|_| None), Ok(()))
            }
            Ask::Add(customer, new, url, reply) => {
                let added = self
                    .in_savepoint(async |tx: &mut Tx<'_>| {
                        tx.add_endpoint(&customer, &new, &url).await
                    })
                    .await;
                part(reply, added)
            }
            Ask::Edit(of, change, reply) => {
                let edited = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.edit_endpoint(&of, &change).await)
                    .await;
                part(reply, edited)
            }
            Ask::Remove(of, reply) => {
                let removed = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.remove_endpoint(&of).await)
                    .await;
                part(reply, removed)
            }
            Ask::ChangeState(of, change, reply) => {
                let changed = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.change_state(&of, &change).await)
                    .await;
                part(reply, changed)
            }
            Ask::RotateSecret(of, secret, grace, reply) => {
                let rotated = self
                    .in_savepoint(async |tx: &mut Tx<'_>| {
                        tx.rotate_secret(&of, secret, grace).await
                    })
                    .await;
                part(reply, rotated)
            }
            Ask::EndSecret(of, number, reply) => {
                let ended = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.end_secret(&of, number).await)
                    .await;
                part(reply, ended)
            }
            Ask::Resend(of, reply) => {
                let resent = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.resend(&of).await)
                    .await;
                part(reply, resent)
            }
            Ask::TakeAway(of, ending, reply) => {
                let taken = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.take_away(&of, ending).await)
                    .await;
                let after = move |committed: Result<(), StoreError>| {
                    // After the commit, before anything else is written: nothing can be handed over
                    // meanwhile.
                    reply.give(match (taken, committed) {
                        (Ok(_), Err(error)) => Err(error.into()),
                        (taken, _) => taken.map(TakenAway::take_out_of_memory),
                    });
                    None
                };
                (Box::new(after), Ok(()))
            }
            Ask::Head(key, reply) => whole(reply, self.head(key).await),
            Ask::Replay(key, seqs, reply) => {
                let added = self
                    .in_savepoint(async |tx: &mut Tx<'_>| tx.replay(key, &seqs).await)
                    .await;
                part(reply, added)
            }
            Ask::TakeRows(reply) => {
                let taken = self.take_rows().await;
                part(reply, taken)
            }
            Ask::RetryRow(id, reply) => whole(reply, self.retry_row(id).await),
        }
    }
}

/// Does nothing; the reply gets the error.
pub(super) fn refuse(ask: Ask) -> AfterCommit {
    fn no<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        reply: Reply<T, E>,
    ) -> AfterCommit {
        Box::new(move |committed| {
            reply.give(Err(error_of(committed).into()));
            None
        })
    }
    match ask {
        #[cfg(feature = "sqlite")]
        Ask::Sqlite(act) => act.refuse(),
        Ask::Refill(outbox) => Box::new(move |committed| {
            outbox.refill_refused();
            let error = error_of(committed);
            Some(RefusedRefill {
                outbox: Arc::clone(&outbox),
                error,
            })
        }),
        Ask::Scan(_, reply) => no(reply),
        Ask::Maintain(reply) => no(reply),
        Ask::NoteClock(reply) => no(reply),
        Ask::LetGo(_, reply) => no(reply),
        Ask::GiveBack(_, reply) => no(reply),
        Ask::Stop(reply) => no(reply),
        Ask::NextDueOfHealthy(reply) => no(reply),
        #[cfg(feature = "testing")]
        Ask::NextDue(reply) => no(reply),
        #[cfg(feature = "testing")]
        Ask::Hold(reply, _) => no(reply),
        Ask::Add(_, _, _, reply) => no(reply),
        Ask::Edit(_, _, reply) => no(reply),
        Ask::Remove(_, reply) => no(reply),
        Ask::ChangeState(_, _, reply) => no(reply),
        Ask::RotateSecret(_, _, _, reply) => no(reply),
        Ask::EndSecret(_, _, reply) => no(reply),
        Ask::Resend(_, reply) => no(reply),
        Ask::TakeAway(_, _, reply) => no(reply),
        Ask::Head(_, reply) => no(reply),
        Ask::Replay(_, _, reply) => no(reply),
        Ask::TakeRows(reply) => no(reply),
        Ask::RetryRow(_, reply) => no(reply),
    }
}

fn error_of(committed: Result<(), StoreError>) -> StoreError {
    committed.err().unwrap_or(StoreError::RolledBack)
}

/// Answers what the engine asked for: its error fails the transaction.
fn whole<T: Send + 'static>(reply: Reply<T>, result: Result<T, StoreError>) -> Performed {
    let ended = result.as_ref().map(drop).map_err(StoreError::clone);
    (answering(reply, result), ended)
}

/// Answers what a person asked for: after an error, nothing of it is left in the transaction.
fn part<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    reply: Reply<T, E>,
    result: Result<T, E>,
) -> Performed {
    (answering(reply, result), Ok(()))
}

fn answering<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    reply: Reply<T, E>,
    result: Result<T, E>,
) -> AfterCommit {
    Box::new(move |committed| {
        reply.give(match (result, committed) {
            (Ok(_), Err(error)) => Err(error.into()),
            (result, _) => result,
        });
        None
    })
}
