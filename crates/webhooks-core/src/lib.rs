//! webhooks-core.

mod secret;
pub mod signature;

pub use secret::{Secret, SecretError, SecretKind, SharedSecret};
