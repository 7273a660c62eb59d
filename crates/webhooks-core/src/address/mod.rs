//! Which addresses a webhook may be sent to: the guard against server-side request forgery.
//!
//! A customer chooses the URL, and our server, which stands inside a network, makes the request.
//! An [`AddressPolicy`] therefore judges the URL when it is registered and again before each
//! attempt, and [`names::Names`] judges the very addresses that are dialled, so that a name which
//! changes its answer (DNS rebinding) gains nothing. Neither opens a connection itself.

mod credentials;
mod embedded;
#[cfg(feature = "sqlite")]
mod known_names;
#[cfg(feature = "sqlite")]
mod lookup;
#[cfg(feature = "sqlite")]
pub(crate) mod names;
mod policy;
mod ports;
mod ranges;
mod refusal;
#[cfg(feature = "sqlite")]
mod system_resolver;

pub use credentials::{Credentials, hide_credentials, split_credentials};
#[cfg(feature = "sqlite")]
pub use lookup::{LookupError, Resolve, Resolved, Resolving};
pub use policy::{AddressPolicy, NetworkError};
pub use refusal::{AddressRefusal, Embedding};
#[cfg(feature = "sqlite")]
pub use system_resolver::SystemResolver;
