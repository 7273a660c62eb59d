//! How a store is opened.

use std::sync::Arc;

use super::durability::Durability;
use crate::{clock::Clock, retry::RetrySchedule};

/// How a store is opened, wherever it is.
pub(crate) struct OpenSettings {
    pub(crate) durability: Durability,
    /// How long to wait for another engine to release a file.
    #[cfg(feature = "sqlite")]
    pub(crate) lock_wait: std::time::Duration,
    pub(crate) key: Option<[u8; 32]>,
    pub(crate) schedule: RetrySchedule,
    pub(crate) clock: Arc<dyn Clock>,
    /// The caller gave the clock: that of the database is ignored.
    #[cfg(feature = "postgres")]
    pub(crate) is_clock_given: bool,
    /// The wait between two polls of the database; adaptive unless set.
    #[cfg(feature = "postgres")]
    pub(crate) look_wait: Option<std::time::Duration>,
    /// For how long a node that is not heard from is taken for alive; ten seconds unless set.
    #[cfg(feature = "postgres")]
    pub(crate) lease: Option<std::time::Duration>,
    /// Whether tables in Postgres are migrated to the current version.
    #[cfg(feature = "postgres")]
    pub(crate) migrates: bool,
    pub(crate) endpoints_in_memory: usize,
    /// How long to wait for an answer from the database.
    #[cfg(feature = "postgres")]
    pub(crate) answer_limit: std::time::Duration,
}
