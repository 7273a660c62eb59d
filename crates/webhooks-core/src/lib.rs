//! webhooks-core.

mod address;

#[cfg(feature = "sqlite")]
pub use address::GuardedResolver;
pub use address::{
    AddressPolicy, AddressRefusal, Credentials, Embedding, NetworkError, hide_credentials,
    refusal_in, split_credentials,
};
