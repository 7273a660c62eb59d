//! What follows from a transaction, once it is known whether it was committed: the store says what
//! to do, the engine does it.

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
    /// The outbox's count of retreats when this was placed or loaded: after a further retreat it goes back.
    pub(crate) retreats: u64,
}

/// What the engine does next. For a transaction that failed, only what memory needs to know.
#[derive(Default)]
pub(crate) struct Committed {
    pub(crate) handovers: Vec<HandOver>,
    /// What memory held and returns to the lane.
    pub(crate) given_back: Vec<Completion>,
    /// Outboxes whose lanes are to be loaded from.
    pub(crate) refills: Vec<Arc<Outbox>>,
    /// Those of a transaction that failed.
    pub(crate) refused_refills: Vec<RefusedRefill>,
    /// Given after the hand-over.
    pub(crate) answers: Answers,
    pub(crate) activities: Vec<Activity>,
    /// Deliveries that memory no longer holds.
    pub(crate) released: usize,
    /// Events that were stored.
    pub(crate) accepted: u64,
    /// When something is due, if that is known.
    pub(crate) due_at: Option<i64>,
}

/// Called with whether the commit succeeded.
pub(crate) type AfterCommit =
    Box<dyn FnOnce(Result<(), StoreError>) -> Option<RefusedRefill> + Send>;

/// A lane that could not be loaded from.
pub(crate) struct RefusedRefill {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) error: StoreError,
}

/// The result of a send.
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

    /// Gives them, with the error if the transaction failed.
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

/// Runs code that may drop an app's own value: a panic there must not take down the writer.
pub(crate) fn contain(work: impl FnOnce()) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
        tracing::error!(
            "a value of the app panicked while it was being dropped on the writer thread"
        );
    }
}
