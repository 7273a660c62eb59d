//! The vocabulary that describes how a provider signs.

use super::algorithm::{Algorithm, Encoding, SecretForm};
use super::challenge::ChallengeOf;

/// How one provider signs.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Scheme {
    /// The provider's name in prose, for example `GitHub`.
    pub title: &'static str,
    /// Its headers; more than one set if the scheme is used under several names.
    pub names: &'static [Names],
    /// How the signature header is written.
    pub form: Form,
    /// How the bytes of a signature are written.
    pub encoding: Encoding,
    /// The algorithm that makes the signature.
    pub algorithm: Algorithm,
    /// What is signed, in this order.
    pub content: &'static [Part],
    /// What its secrets look like.
    pub secret: SecretForm,
    /// The error text for a malformed signature header.
    pub malformed: &'static str,
    /// The field of a JSON body that holds the time of signing, in milliseconds since 1970.
    pub body_time_ms: Option<&'static str>,
    /// The field of a form body that holds the JSON.
    pub payload_field: Option<&'static str>,
    /// The largest body the provider sends.
    pub body_limit_bytes: usize,
    /// Answers the provider's question whether the URL is ours.
    pub challenge: Option<ChallengeOf>,
}

impl Scheme {
    /// The header that holds the signature, as the provider writes it.
    #[must_use]
    pub fn signature_header(&self) -> &'static str {
        self.names.first().map_or("", |names| names.signature)
    }

    /// Whether `part` is part of the signed content.
    #[must_use]
    pub fn signs(&self, part: Part) -> bool {
        self.content.contains(&part)
    }

    /// The length of a signature in bytes; `None` for a token, which can have any length.
    #[must_use]
    pub fn signature_bytes(&self) -> Option<usize> {
        self.algorithm.signature_bytes()
    }
}

/// The names of headers, as the provider writes them.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The header with the signature.
    pub signature: &'static str,
    /// The header with the timestamp, if it has its own.
    pub timestamp: Option<&'static str>,
    /// The header with the delivery's id; signed only if [`Part::Id`] is.
    pub id: Option<&'static str>,
    /// The header with the event type; never signed.
    pub event_type: Option<&'static str>,
}

impl Names {
    /// Only a signature.
    pub(super) const fn only(signature: &'static str) -> Self {
        Self {
            signature,
            timestamp: None,
            id: None,
            event_type: None,
        }
    }
}

/// How a signature header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The signature and nothing else.
    Bare,
    /// This prefix before the signature, as in `sha256=…`.
    Prefixed(&'static str),
    /// Pairs of name and value, as in `t=…,v1=…`.
    Pairs {
        /// What separates two pairs.
        separator: char,
        /// The timestamp's name.
        timestamp: &'static str,
        /// A signature's name; there may be several.
        signature: &'static str,
    },
    /// Versions and signatures, as in `v1,… v1a,…`, each version with its own algorithm.
    Versions(&'static [Version]),
}

/// One of the versions in a list of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The text before the comma.
    pub name: &'static str,
    /// The algorithm that makes the signature after it.
    pub algorithm: Algorithm,
    /// The error text if something else follows.
    pub malformed: &'static str,
}

/// A piece of the signed content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The same text in every request.
    Text(&'static str),
    /// The delivery's id.
    Id,
    /// The timestamp, as it is written in the request.
    Timestamp,
    /// The body's bytes.
    Body,
    /// The URL that was called, as it was configured.
    Url,
    /// The parameters of a form: each key in order, followed by each of its values in order, without duplicates. A
    /// body that is not a form must be hashed in the URL.
    Fields,
}
