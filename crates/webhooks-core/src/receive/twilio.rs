//! Twilio: base64 HMAC-SHA1 over the URL and the form's fields, or over a URL that carries the
//! body's hash.
//!
//! The URL is the one Twilio was given, not the one that reached us behind a proxy, so the caller
//! says what it is. Twilio is not consistent about the port; all of the URL as given, without its
//! port and with the scheme's own port are tried.

use super::VerifyError;
use super::headers::{base64_bytes, hex_bytes, single};
use super::verifier::Signed;
use crate::secret::SharedSecret;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use subtle::ConstantTimeEq;

const SIGNATURE: &str = "x-twilio-signature";
const BODY_HASH: &str = "bodySHA256";
const FORM: &str = "application/x-www-form-urlencoded";

/// Twilio's own requests have some forty fields.
const MAX_FIELDS: usize = 1000;

pub(super) fn check(
    tokens: &[SharedSecret],
    url: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, VerifyError> {
    let theirs: [u8; 20] = base64_bytes(single(headers, SIGNATURE)?).ok_or({
        VerifyError::Malformed {
            name: SIGNATURE,
            problem: "it is not 20 bytes of base64",
        }
    })?;
    let body_hash = body_hash(url);
    let fields = match (&body_hash, body.is_empty()) {
        (Some(_), _) | (None, true) => String::new(),
        (None, false) if is_form(headers) => signed_fields(body)?,
        (None, false) => return Err(VerifyError::BodyNotSigned),
    };
    let urls = spellings(url);
    let secret_index = tokens
        .iter()
        .position(|token| {
            urls.iter().any(|url| {
                let ours = hmac_sha1(token.bytes(), &[url.as_bytes(), fields.as_bytes()]);
                ours.ct_eq(&theirs).into()
            })
        })
        .ok_or(VerifyError::NoSignatureMatched {
            signatures: 1,
            secrets: tokens.len(),
        })?;
    // Only now: until the URL is known to be Twilio's, its hash means nothing.
    if let Some(expected) = body_hash {
        let ours: [u8; 32] = Sha256::digest(body).into();
        let same = hex_bytes::<32>(&expected).is_some_and(|hash| ours.ct_eq(&hash).into());
        if !same {
            return Err(VerifyError::BodyHashDiffers);
        }
    }
    Ok(Signed {
        secret_index,
        ..Signed::default()
    })
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    media_type
        .and_then(|text| text.split(';').next())
        .is_some_and(|text| text.trim().eq_ignore_ascii_case(FORM))
}

/// The hash that a JSON request carries in its URL.
fn body_hash(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == BODY_HASH)
        .map(|(_, value)| value.into_owned())
}

/// Each key, in order, followed by each of its values, in order and once.
fn signed_fields(body: &[u8]) -> Result<String, VerifyError> {
    let mut fields: BTreeMap<Cow<'_, str>, BTreeSet<Cow<'_, str>>> = BTreeMap::new();
    for (index, (key, value)) in form_urlencoded::parse(body).enumerate() {
        if index == MAX_FIELDS {
            return Err(VerifyError::TooManyFields { limit: MAX_FIELDS });
        }
        fields.entry(key).or_default().insert(value);
    }
    let mut text = String::with_capacity(body.len());
    for (key, values) in &fields {
        for value in values {
            text.push_str(key);
            text.push_str(value);
        }
    }
    Ok(text)
}

/// The URL as given, without a port, and with the scheme's own port. Nothing else is normalised:
/// what is signed is the text.
fn spellings(url: &str) -> Vec<Cow<'_, str>> {
    let mut spellings = vec![Cow::Borrowed(url)];
    let Some((scheme, rest)) = url.split_once("://") else {
        return spellings;
    };
    let default_port = match scheme {
        "https" => "443",
        "http" => "80",
        _ => return spellings,
    };
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host_start = authority.rfind('@').map_or(0, |at| at + 1);
    let port_start = authority[host_start..]
        .rfind(':')
        .map(|colon| host_start + colon)
        .filter(|&colon| {
            authority[colon + 1..]
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        });
    match port_start {
        Some(colon) => {
            spellings.push(Cow::Owned(format!(
                "{scheme}://{}{tail}",
                &authority[..colon]
            )));
        }
        None => {
            spellings.push(Cow::Owned(format!(
                "{scheme}://{authority}:{default_port}{tail}"
            )));
        }
    }
    spellings
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
