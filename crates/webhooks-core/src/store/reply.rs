//! Where an answer goes.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::error::StoreError;

/// A place among the calls that wait for a commit.
pub(crate) type Place = OwnedSemaphorePermit;

/// Reports what was done.
type Tell<T> = Box<dyn FnOnce(&T) + Send>;

/// Where an answer goes.
pub(crate) struct Reply<T, E = StoreError> {
    answer: oneshot::Sender<Result<T, E>>,
    /// The caller's place among those that wait. It is kept here because what a caller has queued
    /// takes memory even after the caller gave up.
    place: Option<Place>,
    /// Reports what was done, once it is stored, even if the caller went away.
    tell: Option<Tell<T>>,
}

impl<T, E> Reply<T, E> {
    pub(crate) fn new(place: Option<Place>) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, receiver) = oneshot::channel();
        let reply = Self {
            answer,
            place,
            tell: None,
        };
        (reply, receiver)
    }

    /// Calls `tell` with what was done.
    pub(crate) fn telling(mut self, tell: impl FnOnce(&T) + Send + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// Gives the answer, and then the caller's place to another.
    pub(crate) fn give(self, result: Result<T, E>) {
        if let (Ok(done), Some(tell)) = (&result, self.tell) {
            tell(done);
        }
        // The change of a caller that went away is made anyway.
        let _ = self.answer.send(result);
        drop(self.place);
    }
}
