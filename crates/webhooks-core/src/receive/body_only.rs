//! GitHub and Shopify: an HMAC-SHA256 over the body alone, neither id nor timestamp signed.

use super::VerifyError;
use super::headers::{base64_bytes, hex_bytes, single, unsigned_text};
use super::verifier::{Signed, first_hmac_match};
use crate::secret::SharedSecret;
use http::HeaderMap;

const GITHUB_SIGNATURE: &str = "x-hub-signature-256";
const SHOPIFY_SIGNATURE: &str = "x-shopify-hmac-sha256";

pub(super) fn check_github(
    secrets: &[SharedSecret],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, VerifyError> {
    let theirs = single(headers, GITHUB_SIGNATURE)?
        .strip_prefix("sha256=")
        .and_then(hex_bytes)
        .ok_or(VerifyError::Malformed {
            name: GITHUB_SIGNATURE,
            problem: "it is not `sha256=` and 64 hexadecimal digits",
        })?;
    Ok(Signed {
        secret_index: first_hmac_match(secrets, &[body], &[theirs])?,
        unsigned_id: unsigned_text(headers, "x-github-delivery"),
        unsigned_event_type: unsigned_text(headers, "x-github-event"),
        ..Signed::default()
    })
}

pub(super) fn check_shopify(
    secrets: &[SharedSecret],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, VerifyError> {
    let theirs = base64_bytes(single(headers, SHOPIFY_SIGNATURE)?).ok_or({
        VerifyError::Malformed {
            name: SHOPIFY_SIGNATURE,
            problem: "it is not 32 bytes of base64",
        }
    })?;
    Ok(Signed {
        secret_index: first_hmac_match(secrets, &[body], &[theirs])?,
        unsigned_id: unsigned_text(headers, "x-shopify-webhook-id"),
        unsigned_event_type: unsigned_text(headers, "x-shopify-topic"),
        ..Signed::default()
    })
}
