//! Whether a signature is recent.

use jiff::Timestamp;
use webhooks_core::scheme::Part;

use super::{Diagnosis, Finding, FindingKind, Preset, TOLERANCE, claims::Claims};

/// Adds a finding if the timestamp is wrong, for the schemes that sign one.
pub(super) fn judge(claims: &Claims, preset: Preset, now: Timestamp, diagnosis: &mut Diagnosis) {
    let scheme = preset.scheme();
    if !scheme.signs(Part::Timestamp) && scheme.body_time_ms.is_none() {
        return;
    }
    let Some(text) = &claims.timestamp else {
        diagnosis.findings.push(Finding::new(
            FindingKind::Timestamp,
            "the timestamp is missing",
        ));
        return;
    };
    let Ok(seconds) = text.parse::<i64>() else {
        diagnosis.findings.push(Finding::new(
            FindingKind::Timestamp,
            format!("the timestamp {text:?} is not a number of seconds since 1970"),
        ));
        return;
    };
    let age = now.as_second().saturating_sub(seconds);
    diagnosis.timestamp_age_s = Some(age);
    let limit = TOLERANCE.as_secs();
    if age.unsigned_abs() <= limit {
        return;
    }
    // A thousand times too large: milliseconds.
    let text = if now.as_millisecond().abs_diff(seconds) < 86_400_000 {
        format!("the timestamp {seconds} is in milliseconds; expected seconds")
    } else if age > 0 {
        format!("the timestamp is {age} s old (limit {limit})")
    } else {
        format!(
            "the timestamp is {} s in the future (limit {limit}): the sender's or this clock is wrong",
            age.unsigned_abs()
        )
    };
    diagnosis
        .findings
        .push(Finding::new(FindingKind::Timestamp, text));
}
