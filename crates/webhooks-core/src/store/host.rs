//! What an engine gives to its store.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use crate::due_time::DueTime;
use crate::{
    address::policy::AddressPolicy, audience::Audience, clock::Timeline, model::uptime::Uptime,
    outbox::memory::Memory,
};

/// The surroundings of a store.
pub(crate) struct Host {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) audience: Audience,
    /// When the due loop looks next.
    #[cfg(feature = "postgres")]
    pub(crate) due: Arc<DueTime>,
    /// When the engine ran, and when it did not.
    pub(crate) uptime: Arc<Uptime>,
    pub(crate) retention: Retention,
    /// Where endpoints may be.
    pub(crate) policy: AddressPolicy,
}

/// How long finished work is kept, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) events_ms: i64,
    pub(crate) attempts_ms: i64,
}
