//! What a name stands for: the interface to whoever knows, and why there may be no answer.

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
    /// `keep`: for how long the answer may be used again; zero for this once.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>, keep: Duration) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            keep,
        }
    }
}

/// Finds the addresses of names. The engine asks a name once at a time, judges every answer by its
/// [`AddressPolicy`](crate::AddressPolicy), and dials the addresses that it judged.
///
/// Its futures may take as long as they like: the engine gives up on them, and dropping one must
/// end its work.
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `name`; the first eight may be dialled.
    ///
    /// # Errors
    /// [`LookupError`]; only [`LookupError::Unavailable`] spares the receiver the blame.
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a>;

    /// Whether names can be looked up at all now: asked when one name got no answer, to tell a
    /// customer's dead name server from a resolver that cannot be reached.
    fn is_available(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }
}

/// Why a name has no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The answer is that there is none.
    #[error("{0} has no address")]
    NoAddress(String),
    /// Those who are responsible for this name do not answer.
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
