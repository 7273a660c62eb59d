//! What follows from a transaction, once it is known whether it came true: the store says it, the
//! engine does it.

use std::sync::Arc;

use super::{completion::Completion, error::StoreError, reply::Reply};
use crate::{
    activity::Activity,
    model::delivery::ClaimedDelivery,
    outbox::Outbox,
    send::{SendError, SendReceipt},
};

/// A claimed delivery on its way to memory.
pub(crate) struct HandOver {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) row: ClaimedDelivery,
    /// The outbox's retreats when it was placed or loaded: after another it goes back.
    pub(crate) retreats: u64,
}

/// What the engine does next. Of a transaction that failed only what memory needs to know.
#[derive(Default)]
pub(crate) struct Committed {
    pub(crate) handovers: Vec<HandOver>,
    /// What the lane gets back that memory held.
    pub(crate) given_back: Vec<Completion>,
    /// Outboxes whose lanes are to be loaded from.
    pub(crate) refills: Vec<Arc<Outbox>>,
    /// Of a transaction that failed.
    pub(crate) refused_refills: Vec<RefusedRefill>,
    /// Come after the hand-over.
    pub(crate) answers: Answers,
    pub(crate) activities: Vec<Activity>,
    /// Deliveries that memory no longer holds.
    pub(crate) released: usize,
    /// Events that were stored.
    pub(crate) accepted: u64,
    /// When something is due, if that is known.
    pub(crate) due_at: Option<i64>,
}

/// Told whether the commit came true.
pub(crate) type AfterCommit =
    Box<dyn FnOnce(Result<(), StoreError>) -> Option<RefusedRefill> + Send>;

/// A lane that could not be loaded from.
pub(crate) struct RefusedRefill {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) error: StoreError,
}

/// What a send comes to.
pub(crate) type SendResult = Result<Vec<SendReceipt>, SendError>;

/// The answers that wait for the commit.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) sends: Vec<(Reply<Vec<SendReceipt>, SendError>, SendResult)>,
    pub(crate) asks: Vec<AfterCommit>,
}

impl Answers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sends.len() + self.asks.len()
    }

    /// Gives them; with the error when the transaction failed.
    pub(crate) fn give(self, committed: &Result<(), StoreError>) -> Vec<RefusedRefill> {
        let mut refused = Vec::new();
        for (reply, result) in self.sends {
            reply.give(match (result, committed) {
                (Ok(_), Err(error)) => Err(SendError::Store(error.clone())),
                (result, _) => result,
            });
        }
        for after in self.asks {
            contain(|| refused.extend(after(committed.clone())));
        }
        refused
    }
}

/// Runs what may drop an app's own value: a panic in it must not take the writer with it.
pub(crate) fn contain(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!(
            "a value of the app's own panicked when it was dropped on the writer thread"
        );
    }
}
