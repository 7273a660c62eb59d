//! What runs on the writer thread inside a savepoint, and what is done once it is committed.

use super::tx::Tx;
use crate::store::{
    committed::{AfterCommit, RefusedRefill, contain},
    error::StoreError,
    reply::Reply,
};

/// What runs on the writer thread inside a savepoint.
pub(crate) struct Act(Box<Work>);

/// `None` in place of the transaction: do nothing, it has already failed.
type Work = dyn FnOnce(Option<&mut Tx<'_>>) -> AfterCommit + Send;

impl Act {
    /// What `work` wrote is kept only if it returns `Ok`; `after` gets the result, once it is on disk.
    pub(crate) fn new<T, E>(
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        after: impl FnOnce(Result<T, E>) -> Option<RefusedRefill> + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        Self(Box::new(move |tx| {
            let result = match tx {
                Some(tx) => Some(tx.in_savepoint(work)),
                None => {
                    contain(|| drop(work));
                    None
                }
            };
            Box::new(move |committed| {
                after(match (result, committed) {
                    (Some(Ok(_)) | None, Err(error)) => Err(error.into()),
                    (Some(result), _) => result,
                    (None, Ok(())) => Err(StoreError::RolledBack.into()),
                })
            })
        }))
    }

    /// An act that answers with what its work returns.
    pub(crate) fn answering<T, E>(
        reply: Reply<T, E>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Self
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        Self::new(work, move |result| {
            reply.give(result);
            None
        })
    }

    pub(super) fn run(self, tx: &mut Tx<'_>) -> AfterCommit {
        (self.0)(Some(tx))
    }

    /// Does nothing; the reply gets the error.
    pub(crate) fn refuse(self) -> AfterCommit {
        (self.0)(None)
    }
}
