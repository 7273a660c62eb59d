//! Which addresses a webhook may be sent to: the guard against server-side request forgery.
//!
//! A customer chooses the URL, and our server, which stands inside a network, makes the request.
//! An [`AddressPolicy`] therefore judges the URL when it is registered and again before each
//! attempt, and a [`GuardedResolver`] judges the very addresses that are dialled, so that a name
//! which changes its answer (DNS rebinding) gains nothing. Neither opens a connection itself.

mod credentials;
mod embedded;
mod policy;
mod ports;
mod ranges;
mod refusal;
#[cfg(feature = "sqlite")]
mod resolver;

pub use credentials::{Credentials, hide_credentials, split_credentials};
pub use policy::{AddressPolicy, NetworkError};
pub use refusal::{AddressRefusal, Embedding, refusal_in};
#[cfg(feature = "sqlite")]
pub use resolver::GuardedResolver;
