//! The metrics functions without the feature `metrics`: they do nothing.

use std::sync::Arc;

use crate::{engine::Shared, model::outcome::AttemptRecord, store::Store};

pub(crate) fn attempted(_record: &AttemptRecord) {}

pub(crate) fn accepted(_events: u64) {}

pub(crate) fn watch(_shared: &Arc<Shared>, _store: &Arc<Store>) {}

/// Measures nothing.
pub(crate) struct CommitClock;

impl CommitClock {
    pub(crate) fn start() -> Self {
        Self
    }

    pub(crate) fn committed(&self, _jobs: usize) {}
}
