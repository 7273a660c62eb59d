//! Stripe: `t=…,v1=hex[,v1=hex…]` over `timestamp.body`; the secret is used whole, not decoded.

use super::VerifyError;
use super::headers::{MAX_SIGNATURES, hex_bytes, single, timestamp};
use super::verifier::{Signed, first_hmac_match};
use crate::secret::SharedSecret;
use http::HeaderMap;

const SIGNATURE: &str = "stripe-signature";

pub(super) fn check(
    secrets: &[SharedSecret],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, VerifyError> {
    let (timestamp_s, theirs) = parse(single(headers, SIGNATURE)?)?;
    let head = format!("{timestamp_s}.");
    Ok(Signed {
        secret_index: first_hmac_match(secrets, &[head.as_bytes(), body], &theirs)?,
        timestamp_s: Some(timestamp_s),
        ..Signed::default()
    })
}

/// All `v1` of the list count, since Stripe signs with both secrets during a rotation; other
/// schemes (`v0` marks test events) are passed over.
fn parse(list: &str) -> Result<(u64, Vec<[u8; 32]>), VerifyError> {
    let malformed = |problem| VerifyError::Malformed {
        name: SIGNATURE,
        problem,
    };
    let mut timestamp_s = None;
    let mut signatures = Vec::new();
    let mut problem = "it holds no `v1` signature";
    for (index, entry) in list.split(',').enumerate() {
        // One entry more than signatures: the timestamp.
        if index > MAX_SIGNATURES {
            return Err(VerifyError::TooManySignatures {
                name: SIGNATURE,
                limit: MAX_SIGNATURES,
            });
        }
        match entry.split_once('=') {
            Some(("t", _)) if timestamp_s.is_some() => {
                return Err(malformed("it holds two timestamps"));
            }
            Some(("t", text)) => timestamp_s = Some(timestamp(SIGNATURE, text)?),
            Some(("v1", text)) => match hex_bytes(text) {
                Some(bytes) => signatures.push(bytes),
                None => problem = "what follows `v1=` is not 64 hexadecimal digits",
            },
            Some(_) => {}
            None => problem = "an entry has no `=`",
        }
    }
    let timestamp_s = timestamp_s.ok_or_else(|| malformed("it holds no timestamp (`t=`)"))?;
    if signatures.is_empty() {
        return Err(malformed(problem));
    }
    Ok((timestamp_s, signatures))
}
