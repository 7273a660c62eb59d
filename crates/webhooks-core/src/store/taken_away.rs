//! A delivery that a person canceled or skipped.

use std::sync::Arc;

use crate::outbox::Outbox;

/// A delivery that was removed.
pub(super) struct TakenAway {
    pub(super) outbox: Option<Arc<Outbox>>,
    /// Memory held it under this claim: it may be in flight.
    pub(super) claim: Option<i64>,
}

impl TakenAway {
    /// Takes it out of memory too. True if a request may be in flight.
    pub(super) fn take_out_of_memory(self) -> bool {
        let Self { outbox, claim } = self;
        claim.is_some_and(|claim| !outbox.is_some_and(|outbox| outbox.take_out(claim)))
    }
}
