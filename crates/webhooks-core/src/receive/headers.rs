//! Reading headers that a stranger wrote: one value, text, of bounded length, in canonical form.

use super::VerifyError;
use http::HeaderMap;

/// Room for [`MAX_SIGNATURES`] of the longest kind; hyper would allow 400 KiB of headers.
const MAX_HEADER_BYTES: usize = 4096;

/// A rotation has two secrets, a rotation of both kinds four; beyond that a list only costs work.
pub(super) const MAX_SIGNATURES: usize = 32;

/// Ids are UUIDs or about as long.
const MAX_ID_BYTES: usize = 256;

/// The header's only value.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(VerifyError::MissingHeader { name })?;
    let more = values.count();
    if more > 0 {
        return Err(VerifyError::DuplicateHeader {
            name,
            count: more + 1,
        });
    }
    if value.len() > MAX_HEADER_BYTES {
        let (bytes, limit) = (value.len(), MAX_HEADER_BYTES);
        return Err(VerifyError::HeaderTooLong { name, bytes, limit });
    }
    value.to_str().map_err(|_| VerifyError::NotText { name })
}

/// The id in a header that is signed as `id.timestamp.body`.
pub(super) fn signed_id<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<&'a str, VerifyError> {
    let id = single(headers, name)?;
    if id.len() > MAX_ID_BYTES {
        return Err(VerifyError::HeaderTooLong {
            name,
            bytes: id.len(),
            limit: MAX_ID_BYTES,
        });
    }
    let malformed = |problem| Err(VerifyError::Malformed { name, problem });
    if id.is_empty() {
        return malformed("it is empty");
    }
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return malformed("an id has no spaces");
    }
    // With a full stop inside, the same signature fits a second reading of the same bytes:
    // `a.1` + `2` and `a` + `1.2`.
    if id.contains('.') {
        return malformed("an id has no full stop");
    }
    Ok(id)
}

/// An id or event type that no signature covers: for logs and routing, absent when unusable.
pub(super) fn unsigned_text(headers: &HeaderMap, name: &'static str) -> Option<String> {
    let text = single(headers, name).ok()?;
    (!text.is_empty() && text.len() <= MAX_ID_BYTES).then(|| text.to_owned())
}

/// Whole seconds since 1970, in the one way to write them: digits, no sign, no leading zero.
/// Anything else would let one moment have several spellings, of which only one was signed.
pub(super) fn timestamp(name: &'static str, text: &str) -> Result<u64, VerifyError> {
    let malformed = |problem| VerifyError::Malformed { name, problem };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed(
            "a timestamp is whole seconds since 1970, digits only",
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(malformed("a timestamp has no leading zero"));
    }
    text.parse::<i64>()
        .ok()
        .and_then(|seconds| u64::try_from(seconds).ok())
        .ok_or_else(|| malformed("the timestamp is out of range"))
}

/// Exactly `N` bytes of hexadecimal.
pub(super) fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// Exactly `N` bytes of standard, padded base64.
pub(super) fn base64_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    use base64::Engine as _;
    if text.len() != N.div_ceil(3) * 4 {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    bytes.try_into().ok()
}
