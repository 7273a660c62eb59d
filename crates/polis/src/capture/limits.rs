//! What one client may cost the listener that captures.

use serve::Limits;

use crate::wire::{BodyLimits, HeadLimits};

/// Bytes of one request's head; the largest that common servers accept is 64 KiB.
const HEAD_BYTES: usize = 64 * 1024;

/// What one client may cost the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaptureLimits {
    pub(crate) head: HeadLimits,
    pub(crate) body: BodyLimits,
    pub(super) connections: usize,
}

impl CaptureLimits {
    /// These limits, with one of its own for the bytes of a body, which is kept and not refused.
    pub(crate) fn new(limits: &Limits, body_bytes: usize) -> Self {
        Self {
            head: HeadLimits {
                bytes: HEAD_BYTES,
                time: limits.header_time,
            },
            body: BodyLimits {
                bytes: body_bytes,
                time: limits.body_time,
            },
            connections: limits.connections,
        }
    }
}
