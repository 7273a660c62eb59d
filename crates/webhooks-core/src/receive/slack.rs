//! Slack: hex HMAC-SHA256 over `v0:timestamp:body`.

use super::VerifyError;
use super::headers::{hex_bytes, single, timestamp};
use super::verifier::{Signed, first_hmac_match};
use crate::secret::SharedSecret;
use http::HeaderMap;

const SIGNATURE: &str = "x-slack-signature";
const TIMESTAMP: &str = "x-slack-request-timestamp";

pub(super) fn check(
    secrets: &[SharedSecret],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, VerifyError> {
    let theirs = single(headers, SIGNATURE)?
        .strip_prefix("v0=")
        .and_then(hex_bytes)
        .ok_or(VerifyError::Malformed {
            name: SIGNATURE,
            problem: "it is not `v0=` and 64 hexadecimal digits",
        })?;
    let timestamp_s = timestamp(TIMESTAMP, single(headers, TIMESTAMP)?)?;
    let head = format!("v0:{timestamp_s}:");
    Ok(Signed {
        secret_index: first_hmac_match(secrets, &[head.as_bytes(), body], &[theirs])?,
        timestamp_s: Some(timestamp_s),
        ..Signed::default()
    })
}
