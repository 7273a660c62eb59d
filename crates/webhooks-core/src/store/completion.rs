//! What waits to be stored of one attempt.

use std::sync::Arc;

use crate::{
    model::{
        delivery::ClaimedDelivery,
        outcome::{AttemptRecord, Consequences, Verdict},
    },
    outbox::{GivenBack, Outbox},
};

/// What one attempt came to, to be stored.
pub(crate) struct Completion {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) row: ClaimedDelivery,
    /// `None` when the delivery is given back without an attempt.
    pub(crate) attempt: Option<AttemptRecord>,
    pub(crate) verdict: Verdict,
    pub(crate) consequences: Consequences,
}

impl Completion {
    /// A delivery goes back to its lane without an attempt.
    pub(crate) fn given_back(outbox: &Arc<Outbox>, given: GivenBack) -> Self {
        Self {
            outbox: Arc::clone(outbox),
            row: given.row,
            attempt: None,
            verdict: given.verdict,
            consequences: Consequences {
                returning: true,
                ..Consequences::default()
            },
        }
    }
}
