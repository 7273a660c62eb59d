//! Which addresses a webhook may be sent to: the guard against server-side request forgery.
//!
//! A customer chooses the URL, and our server, which is inside a network, makes the request. An [`AddressPolicy`]
//! therefore checks the URL when it is registered and again before each attempt, and [`names::Names`] checks the
//! very addresses that are dialled, so that a name that changes its answer (DNS rebinding) gains nothing. Neither
//! opens a connection itself.

pub(crate) mod credentials;
pub(crate) mod embedded;
#[cfg(feature = "engine")]
pub(crate) mod known_names;
#[cfg(feature = "engine")]
pub(crate) mod lookup;
#[cfg(feature = "engine")]
pub(crate) mod names;
pub(crate) mod policy;
pub(crate) mod ports;
pub(crate) mod ranges;
pub(crate) mod refusal;
#[cfg(feature = "engine")]
pub(crate) mod system_resolver;

pub use credentials::{Credentials, hide_credentials, split_credentials};
#[cfg(feature = "engine")]
pub use lookup::{LookupError, Resolve, Resolved, Resolving};
pub use policy::{AddressPolicy, NetworkError};
pub use refusal::{AddressRefusal, Ipv4Embedding};
#[cfg(feature = "engine")]
pub use system_resolver::SystemResolver;
