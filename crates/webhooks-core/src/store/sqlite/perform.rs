//! What each ask does.

use std::sync::Arc;

use super::{
    act::Act,
    endpoint_state,
    lane::{self, Occasion},
    manage, outbox_table, read, replay, retention, scan, secrets,
};
use crate::store::{
    ask::{Ask, LetGoOf},
    committed::RefusedRefill,
    error::StoreError,
    taken_away::TakenAway,
};

impl From<Ask> for Act {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Sqlite(act) => act,
            Ask::Scan(probes, reply) => Self::answering(reply, move |tx| scan::scan(tx, probes)),
            Ask::Maintain(reply) => Self::answering(reply, retention::maintain),
            // No other engine could take anything over.
            Ask::LetGo(LetGoOf::All | LetGoOf::Memory, reply) => {
                Self::answering(reply, |_| Ok(false))
            }
            #[cfg(feature = "postgres")]
            Ask::GiveBack(_, reply) => Self::answering(reply, |_| Ok(())),
            Ask::NoteClock(reply) => Self::answering(reply, |_| Ok(())),
            Ask::Stop(reply) => Self::answering(reply, |tx| {
                retention::note_stop(tx)?;
                read::count_pending(tx.connection)
            }),
            Ask::NextDueOfHealthy(reply) => {
                Self::answering(reply, |tx| scan::next_due_of_healthy(tx.connection))
            }
            #[cfg(feature = "testing")]
            Ask::NextDue(reply) => Self::answering(reply, |tx| {
                Ok((
                    scan::next_due(tx.connection)?.first(),
                    tx.endpoints.cache.waits_for_clock(),
                ))
            }),
            #[cfg(feature = "testing")]
            Ask::Hold(reply, released) => Self::new(
                move |_| {
                    reply.give(Ok(()));
                    // An error means that it was released.
                    let _ = released.recv();
                    Ok::<_, StoreError>(())
                },
                |_| None,
            ),
            Ask::Add(customer, new, url, reply) => {
                Self::answering(reply, move |tx| manage::add(tx, &customer, &new, &url))
            }
            Ask::Edit(of, change, reply) => {
                Self::answering(reply, move |tx| manage::edit(tx, &of, &change))
            }
            Ask::Remove(of, reply) => Self::answering(reply, move |tx| manage::remove(tx, &of)),
            Ask::ChangeState(of, change, reply) => {
                Self::answering(reply, move |tx| endpoint_state::change(tx, &of, &change))
            }
            Ask::RotateSecret(of, secret, grace, reply) => {
                Self::answering(reply, move |tx| secrets::rotate(tx, &of, secret, grace))
            }
            Ask::EndSecret(of, number, reply) => {
                Self::answering(reply, move |tx| secrets::end(tx, &of, number))
            }
            Ask::Resend(of, reply) => Self::answering(reply, move |tx| replay::resend(tx, &of)),
            Ask::TakeAway(of, ending, reply) => Self::new(
                move |tx| replay::take_away(tx, &of, ending),
                // After the commit, still on the writer thread: nothing can be handed over meanwhile.
                move |taken| {
                    reply.give(taken.map(TakenAway::take_out_of_memory));
                    None
                },
            ),
            Ask::Head(key, reply) => Self::answering(reply, move |tx| replay::head(tx, key)),
            Ask::Replay(key, seqs, reply) => {
                Self::answering(reply, move |tx| replay::replay(tx, key, &seqs))
            }
            Ask::TakeRows(reply) => Self::answering(reply, outbox_table::take),
            Ask::RetryRow(id, reply) => {
                Self::answering(reply, move |tx| outbox_table::retry(tx, id))
            }
            Ask::Refill(outbox) => {
                let loaded = Arc::clone(&outbox);
                Self::new(
                    move |tx| lane::refill(tx, &loaded, Occasion::Asked),
                    move |result: Result<(), StoreError>| {
                        let error = result.err()?;
                        outbox.refill_refused();
                        Some(RefusedRefill { outbox, error })
                    },
                )
            }
        }
    }
}
