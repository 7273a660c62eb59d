//! What one client may cost the listener that captures.

use std::time::Duration;

use serve::{
    Limits,
    wire::{BodyLimits, HeadLimits},
};

/// Bytes of one request's head; the largest that common servers accept is 64 KiB.
const HEAD_BYTES: usize = 64 * 1024;
/// How long requests in flight may go on once polis was asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// What one client may cost the listener.
#[derive(Debug, Clone)]
pub(crate) struct CaptureLimits {
    pub(crate) head: HeadLimits,
    pub(crate) body: BodyLimits,
    pub(super) listener: Limits,
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
            listener: Limits {
                grace: GRACE,
                ..limits.clone()
            },
        }
    }
}
