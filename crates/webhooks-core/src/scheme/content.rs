//! The signed content: the parts of a scheme, filled with the values of one request.

use super::error::VerifyError;
use super::format::Part;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The query parameter that carries the hash of a body that is not a form.
pub const BODY_HASH: &str = "bodySHA256";

const FORM: &str = "application/x-www-form-urlencoded";

/// Twilio's own requests have some forty fields.
const FIELDS_MAX: usize = 1000;

/// The values of a request that can be signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) url: &'a str,
    pub(super) fields: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> Values<'a> {
    /// The pieces of `content`, in order.
    pub(super) fn parts(&self, content: &[Part]) -> Vec<&'a [u8]> {
        content
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_bytes(),
                Part::Id => self.id.as_bytes(),
                Part::Timestamp => self.timestamp.as_bytes(),
                Part::Body => self.body,
                Part::Url => self.url.as_bytes(),
                Part::Fields => self.fields.as_bytes(),
            })
            .collect()
    }
}

/// Whether a media type is that of a form.
#[must_use]
pub fn is_form(content_type: &str) -> bool {
    content_type
        .split(';')
        .next()
        .is_some_and(|text| text.trim().eq_ignore_ascii_case(FORM))
}

/// The hash of the body, from a URL's query.
#[must_use]
pub fn body_hash(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == BODY_HASH)
        .map(|(_, value)| value.into_owned())
}

/// The part of the body that is signed together with the URL. Every body is either covered or refused: a form by
/// its fields, any other by its hash in the URL.
pub(super) fn fields(url: &str, is_form: bool, body: &[u8]) -> Result<String, VerifyError> {
    if body.is_empty() || body_hash(url).is_some() {
        return Ok(String::new());
    }
    if is_form {
        signed_fields(body)
    } else {
        Err(VerifyError::BodyNotSigned)
    }
}

/// Each key in order, followed by each of its values in order, without duplicates.
fn signed_fields(body: &[u8]) -> Result<String, VerifyError> {
    let mut fields: BTreeMap<Cow<'_, str>, BTreeSet<Cow<'_, str>>> = BTreeMap::new();
    for (index, (key, value)) in form_urlencoded::parse(body).enumerate() {
        if index == FIELDS_MAX {
            return Err(VerifyError::TooManyFields { limit: FIELDS_MAX });
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
