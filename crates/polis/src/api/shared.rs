//! The state that every handler of the second listener gets.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::ApiError;
use crate::{polis::Polis, record::Record, store::Filter};

/// The state that every handler gets.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) polis: Arc<Polis>,
    /// Ends streams that would otherwise outlive a stop.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    /// The record, if it is still kept.
    pub(crate) fn record(&self, id: u64) -> Result<Arc<Record>, ApiError> {
        self.polis.store.get(id).ok_or(ApiError::NoRequest(id))
    }

    /// The requests before this id that match the filter, newest first.
    pub(crate) async fn search(
        &self,
        filter: Filter,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<Arc<Record>>, ApiError> {
        let polis = Arc::clone(&self.polis);
        // It may read all kept bytes, so it does not run on a thread that answers senders.
        tokio::task::spawn_blocking(move || {
            let kept = polis.store.newest_first().into_iter();
            kept.filter(|record| before.is_none_or(|before| record.id < before))
                .filter(|record| filter.wants(record))
                .take(most)
                .collect()
        })
        .await
        .map_err(|error| ApiError::Upstream(format!("the search ended: {error}")))
    }
}
