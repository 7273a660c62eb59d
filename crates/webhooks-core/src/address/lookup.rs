//! What a name stands for: the interface to whoever knows, and why there may be no answer.

use std::{future::Future, net::IpAddr, pin::Pin};

/// What a [`Resolve`] gives back: the addresses of a name, or why there are none.
pub type Resolving<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, LookupError>> + Send + 'a>>;

/// Finds the addresses of names. The engine asks a name once at a time, judges every answer by its
/// [`AddressPolicy`](crate::AddressPolicy), and dials the addresses that it judged.
///
/// Its futures may take as long as they like: the engine gives up on them, and dropping one must
/// end its work.
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `name`, at most some of them are dialled, in this order.
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
