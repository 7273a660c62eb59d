//! How providers sign webhooks: each one's headers, signed content, encoding, limits and challenge
//! as one value, which the verifier, the signer and tools that explain signatures share.
//!
//! A [`Scheme`] is data; a [`Provider`] is its name. Another provider costs its own file in
//! `provider/` and a line in the list beside it. Nothing here reads a clock or keeps state:
//! [`Provider::verify`] proves who signed, and the caller judges the time ([`judge_time`]).

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
