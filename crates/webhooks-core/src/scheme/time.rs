//! Whether a signature is recent.

use super::error::VerifyError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far a timestamp may be from our clock, either way, as Standard Webhooks, Stripe and Slack recommend.
/// Paddle's and Linear's libraries allow 5 s and 60 s, which a clock that is slightly off exceeds; a replay guard
/// closes the rest of the window.
pub const TOLERANCE_DEFAULT: Duration = Duration::from_secs(300);

/// Converts a timestamp, in seconds since 1970, into a time, if it is within the tolerance `limit` of `now`,
/// compared in whole seconds.
///
/// # Errors
///
/// [`VerifyError::TooOld`] or [`VerifyError::TooNew`]; refuse the request.
pub fn judge_time(
    timestamp_s: u64,
    now: SystemTime,
    limit: Duration,
) -> Result<SystemTime, VerifyError> {
    // A clock before 1970 was never set; everything is then in the future.
    let now_s = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let age_s = now_s.saturating_sub(timestamp_s);
    if age_s > limit.as_secs() {
        return Err(VerifyError::TooOld {
            age: Duration::from_secs(age_s),
            limit,
        });
    }
    let ahead_s = timestamp_s.saturating_sub(now_s);
    let ahead = Duration::from_secs(ahead_s);
    if ahead_s > limit.as_secs() {
        return Err(VerifyError::TooNew { ahead, limit });
    }
    // Only an enormous tolerance lets through a timestamp that `SystemTime` cannot hold.
    UNIX_EPOCH
        .checked_add(Duration::from_secs(timestamp_s))
        .ok_or(VerifyError::TooNew { ahead, limit })
}
