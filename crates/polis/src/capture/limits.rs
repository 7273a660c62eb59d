//! The limits of what one client may cost the capturing listener.

use std::time::Duration;

use serve::{
    Limits,
    wire::{BodyLimits, HeadLimits},
};

/// The size limit of a request's head; the largest that common servers accept is 64 KiB.
const HEAD_BYTES: usize = 64 * 1024;
/// How long requests in flight may continue once polis was asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The limits of what one client may cost the listener.
#[derive(Debug, Clone)]
pub(crate) struct CaptureLimits {
    pub(crate) head: HeadLimits,
    pub(crate) body: BodyLimits,
    pub(super) listener: Limits,
}

impl CaptureLimits {
    /// These limits, with this one for bodies: a larger body is cut and kept, and answered 413.
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
