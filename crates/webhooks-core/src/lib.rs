//! webhooks-core.

#[cfg(feature = "receive")]
pub mod receive;
mod secret;
pub mod signature;

pub use secret::{Secret, SecretError, SecretKind, SharedSecret};
