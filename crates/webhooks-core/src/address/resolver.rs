//! The resolver that an HTTP client dials through: it hands out judged addresses only.

use std::{io, net::SocketAddr, sync::Arc};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::policy::AddressPolicy;

/// The operating system's lookup holds a thread until it ends, however long ago the asker gave
/// up; this keeps slow name servers from taking all of the runtime's 512.
const MAX_LOOKUPS: usize = 64;

/// Resolves names, judges every answer, and refuses the whole name if one is forbidden.
///
/// The client dials exactly the addresses returned here, so there is no moment between judging
/// and dialling in which a name could change its answer. [`client`](Self::client) sets one up.
#[derive(Clone)]
pub struct GuardedResolver {
    policy: AddressPolicy,
    inner: Arc<dyn Resolve>,
}

impl GuardedResolver {
    /// Asks the operating system.
    pub fn new(policy: AddressPolicy) -> Self {
        Self::with_inner(policy, Arc::new(SystemResolver::default()))
    }

    /// Asks `inner`, whose answers are judged all the same.
    pub fn with_inner(policy: AddressPolicy, inner: Arc<dyn Resolve>) -> Self {
        Self { policy, inner }
    }

    /// A client that dials through this resolver: no redirect is followed, since its target would
    /// escape [`AddressPolicy::judge`], and no proxy of the environment is asked, since it would
    /// resolve the name anew.
    pub fn client(self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .dns_resolver(Arc::new(self))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let answer = self.inner.resolve(name);
        let policy = self.policy.clone();
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = answer.await?.collect();
            for address in &addresses {
                policy
                    .judge_ip(address.ip())
                    .map_err(|refusal| refusal.of_name(&host))?;
            }
            if addresses.is_empty() {
                return Err(io::Error::other(format!("{host} has no address")).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

struct SystemResolver {
    places: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_LOOKUPS)),
        }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let places = Arc::clone(&self.places);
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            // A task of its own keeps the place for as long as the thread is busy, even when the
            // attempt that asked has reached its deadline.
            let lookup = tokio::spawn(async move {
                let addresses = tokio::net::lookup_host((name.as_str(), 0)).await;
                let addresses = addresses.map(Iterator::collect::<Vec<_>>);
                drop(place);
                addresses
            });
            Ok(Box::new(lookup.await??.into_iter()) as Addrs)
        })
    }
}
