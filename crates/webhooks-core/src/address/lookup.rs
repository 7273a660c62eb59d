//! What a name resolves to: the interface to whatever resolves it, and the reasons why there may be no answer.

use std::{future::Future, net::IpAddr, pin::Pin, time::Duration};

/// What a [`Resolve`] gives back: the addresses of a name, or why there are none.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Resolved, LookupError>> + Send + 'a>>;

/// The addresses of a name, in the order in which they should be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) keep: Duration,
}

impl Resolved {
    /// `keep` is how long the answer may be reused; zero if only this once.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>, keep: Duration) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            keep,
        }
    }
}

/// Finds the addresses of names. The engine runs at most one lookup of a name at a time, checks every address
/// against its [`AddressPolicy`](crate::AddressPolicy), and dials exactly the addresses that it checked.
///
/// Its futures may take as long as they like: the engine stops waiting for them, and dropping one must end its
/// work.
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `name`; the first eight may be dialled.
    ///
    /// # Errors
    /// [`LookupError`]; only [`LookupError::Unavailable`] does not count as the receiver's failure.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;

    /// Whether names can be looked up at all at present. Called when a name got no answer, to distinguish a
    /// customer's dead name server from a resolver that cannot be reached.
    fn is_available(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// The name servers responsible for this name do not answer.
    #[error("no answer about {name}: {reason}")]
    Unanswered {
        /// The name that was asked for.
        name: String,
        /// What happened instead.
        reason: String,
    },
    /// No name can be looked up: the resolver cannot be asked.
    #[error("names cannot be looked up: {0}")]
    Unavailable(String),
}
