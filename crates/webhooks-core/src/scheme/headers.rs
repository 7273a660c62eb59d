//! Reading headers that a stranger wrote: one value each, as text, of limited length, in canonical form.

use super::algorithm::{Algorithm, Encoding};
use super::error::VerifyError;
use super::format::{Form, Part, Scheme, Version};
use super::key::Offered;
use http::HeaderMap;

/// Room for [`SIGNATURES_MAX`] of the longest kind; hyper would allow 400 KiB of headers.
const HEADER_BYTES_MAX: usize = 4096;

/// A rotation uses two secrets, or four if both kinds rotate; a longer list only costs work.
pub const SIGNATURES_MAX: usize = 32;

/// Ids are UUIDs or about as long.
const ID_BYTES_MAX: usize = 256;

/// What the headers of a request claim.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    /// The signatures of a known version and of the right length; at least one.
    pub(super) signatures: Vec<Offered>,
    pub(super) id: Option<&'a str>,
    pub(super) timestamp_s: Option<u64>,
    pub(super) unsigned_id: Option<String>,
    pub(super) unsigned_event_type: Option<String>,
}

impl<'a> Claims<'a> {
    /// Reads the headers of `scheme`, each of which may occur once.
    pub(super) fn read(scheme: &Scheme, headers: &'a HeaderMap) -> Result<Self, VerifyError> {
        // A sender that is migrating sends several sets; then the first one counts.
        let names = scheme
            .names
            .iter()
            .find(|names| headers.contains_key(names.signature))
            .or(scheme.names.first())
            .expect("every scheme has names");
        let value = single(headers, names.signature)?;
        let signs_id = scheme.signs(Part::Id);
        let id = match names.id.filter(|_| signs_id) {
            Some(name) => Some(signed_id(headers, name)?),
            None => None,
        };
        let in_header = match names.timestamp {
            Some(name) => Some(timestamp(name, single(headers, name)?)?),
            None => None,
        };
        let (in_pairs, signatures) = signatures(scheme, names.signature, value)?;
        let unsigned = |name| unsigned_text(headers, name);
        Ok(Self {
            signatures,
            id,
            timestamp_s: in_header.or(in_pairs),
            unsigned_id: names.id.filter(|_| !signs_id).and_then(unsigned),
            unsigned_event_type: names.event_type.and_then(unsigned),
        })
    }
}

type Listed = (Option<u64>, Vec<Offered>);

fn signatures(scheme: &Scheme, name: &'static str, value: &str) -> Result<Listed, VerifyError> {
    let malformed = |problem| VerifyError::Malformed { name, problem };
    let alone = |text: Option<&str>| {
        let bytes = text.and_then(|text| decode(scheme.encoding, scheme.algorithm, text));
        let algorithm = scheme.algorithm;
        let bytes = bytes.ok_or(malformed(scheme.malformed))?;
        Ok((None, vec![Offered { algorithm, bytes }]))
    };
    match scheme.form {
        Form::Bare => alone(Some(value)),
        Form::Prefixed(prefix) => alone(value.strip_prefix(prefix)),
        Form::Pairs { .. } => pairs(scheme, name, value),
        Form::Versions(known) => versions(known, name, value),
    }
}

/// Reads `t=…,v1=…`. All signatures in the list count, since providers sign with both secrets during a rotation;
/// other names are ignored.
fn pairs(scheme: &Scheme, name: &'static str, list: &str) -> Result<Listed, VerifyError> {
    let Form::Pairs {
        separator,
        timestamp: time_name,
        signature: signature_name,
    } = scheme.form
    else {
        return Ok((None, Vec::new()));
    };
    let malformed = |problem| VerifyError::Malformed { name, problem };
    let (mut timestamp_s, mut signatures) = (None, Vec::new());
    for (index, entry) in list.split(separator).enumerate() {
        // One entry more than signatures: the timestamp.
        if index > SIGNATURES_MAX {
            return Err(too_many(name));
        }
        match entry.trim_matches(' ').split_once('=') {
            Some((key, _)) if key == time_name && timestamp_s.is_some() => {
                return Err(malformed("it holds two timestamps"));
            }
            Some((key, text)) if key == time_name => timestamp_s = Some(timestamp(name, text)?),
            Some((key, text)) if key == signature_name => {
                let algorithm = scheme.algorithm;
                let bytes = decode(scheme.encoding, algorithm, text);
                signatures.extend(bytes.map(|bytes| Offered { algorithm, bytes }));
            }
            _ => {}
        }
    }
    if timestamp_s.is_none() {
        return Err(malformed("it holds no timestamp"));
    }
    if signatures.is_empty() {
        return Err(malformed(scheme.malformed));
    }
    Ok((timestamp_s, signatures))
}

/// Reads the space-separated list. An entry that cannot be read does not invalidate one that can, since future
/// versions may look different; a list with nothing usable is malformed.
fn versions(known: &[Version], name: &'static str, list: &str) -> Result<Listed, VerifyError> {
    let mut signatures = Vec::new();
    let mut problem = "it is empty";
    let entries = list.split(' ').filter(|entry| !entry.is_empty());
    for (index, entry) in entries.enumerate() {
        if index == SIGNATURES_MAX {
            return Err(too_many(name));
        }
        let Some((version, text)) = entry.split_once(',') else {
            problem = "a signature has no comma after its version";
            continue;
        };
        let Some(version) = known.iter().find(|known| known.name == version) else {
            problem = "it holds no `v1` or `v1a` signature";
            continue;
        };
        match decode(Encoding::Base64, version.algorithm, text) {
            Some(bytes) => signatures.push(Offered {
                algorithm: version.algorithm,
                bytes,
            }),
            None => problem = version.malformed,
        }
    }
    if signatures.is_empty() {
        return Err(VerifyError::Malformed { name, problem });
    }
    Ok((None, signatures))
}

fn too_many(name: &'static str) -> VerifyError {
    VerifyError::TooManySignatures {
        name,
        limit: SIGNATURES_MAX,
    }
}

/// The bytes of a signature, in canonical form and of its algorithm's length.
fn decode(encoding: Encoding, algorithm: Algorithm, text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let bytes = match encoding {
        Encoding::Hex => hex::decode(text).ok()?,
        Encoding::Base64 => base64::engine::general_purpose::STANDARD
            .decode(text)
            .ok()?,
        Encoding::Text => text.as_bytes().to_vec(),
    };
    let fits = match algorithm.signature_bytes() {
        Some(length) => bytes.len() == length,
        None => !bytes.is_empty(),
    };
    fits.then_some(bytes)
}

/// The header's only value.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(VerifyError::MissingHeader { name })?;
    let more = values.count();
    if more > 0 {
        return Err(VerifyError::DuplicateHeader {
            name,
            count: more + 1,
        });
    }
    if value.len() > HEADER_BYTES_MAX {
        let (bytes, limit) = (value.len(), HEADER_BYTES_MAX);
        return Err(VerifyError::HeaderTooLong { name, bytes, limit });
    }
    value.to_str().map_err(|_| VerifyError::NotText { name })
}

/// The id in a header that is signed as `id.timestamp.body`.
fn signed_id<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, VerifyError> {
    let id = single(headers, name)?;
    if id.len() > ID_BYTES_MAX {
        return Err(VerifyError::HeaderTooLong {
            name,
            bytes: id.len(),
            limit: ID_BYTES_MAX,
        });
    }
    let malformed = |problem| Err(VerifyError::Malformed { name, problem });
    if id.is_empty() {
        return malformed("it is empty");
    }
    if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return malformed("an id must not contain spaces");
    }
    // With a full stop inside, the same signature would fit another reading of the same bytes: `a.1` + `2` and `a`
    // + `1.2`.
    if id.contains('.') {
        return malformed("an id must not contain a full stop");
    }
    Ok(id)
}

/// An id or event type that no signature covers, for logs and routing; `None` if unusable.
pub(super) fn unsigned_text(headers: &HeaderMap, name: &'static str) -> Option<String> {
    let text = single(headers, name).ok()?;
    (!text.is_empty() && text.len() <= ID_BYTES_MAX).then(|| text.to_owned())
}

/// Whole seconds since 1970, in their only valid form: digits, no sign, no leading zero. Otherwise one moment
/// would have several spellings, of which only one was signed.
fn timestamp(name: &'static str, text: &str) -> Result<u64, VerifyError> {
    let malformed = |problem| VerifyError::Malformed { name, problem };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed(
            "a timestamp must be whole seconds since 1970, digits only",
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(malformed("a timestamp must not have a leading zero"));
    }
    text.parse::<i64>()
        .ok()
        .and_then(|seconds| u64::try_from(seconds).ok())
        .ok_or_else(|| malformed("the timestamp is out of range"))
}
