//! How providers sign webhooks: the headers, signed content, encoding, limits and challenge of each, as one value
//! that the verifier, the signer and tools that explain signatures share.
//!
//! A [`Scheme`] is data; a [`Provider`] is its name. Adding a provider takes one file in `provider/` and one line
//! in the list there. Nothing here reads a clock or keeps state: [`Provider::verify`] proves who signed, and the
//! caller checks the time ([`judge_time`]).

mod algorithm;
mod challenge;
mod content;
mod error;
mod format;
mod headers;
mod key;
mod provider;
mod sign;
mod time;
mod url_spelling;
mod verify;

pub use algorithm::{Algorithm, Encoding, SecretForm};
pub use challenge::Challenge;
pub use content::{BODY_HASH, body_hash, is_form};
pub use error::VerifyError;
pub use format::{Form, Names, Part, Scheme, Version};
pub use headers::SIGNATURES_MAX;
pub use key::Key;
pub use provider::{Provider, UnknownProviderError, meta_challenge};
pub use sign::{SignError, ToSign};
pub use time::{TOLERANCE_DEFAULT, judge_time};
pub use verify::{Request, Signed};
