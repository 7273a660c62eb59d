//! The relay: the engine with its endpoints, one for each source and each action.
//!
//! An event is sent to its source's endpoint, which finds the rules that match it; each rule's
//! first action is sent as an event of its own, and each action that is done sends the next. All
//! these endpoints are on this program's loopback address: the engine stores, retries and lists.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::extract::FromRef;
use jiff::Timestamp;
use webhooks_core::{
    AddressPolicy, Builder, Clock, EndpointId, RETENTION_DEFAULT, Secret, Webhooks,
    receive::Verifier,
};

use crate::{
    action::Peers, config::Config, endpoints::Setup, ledger::Ledger, open_error::OpenError,
    source::Source,
};

/// Longer than any action may take, so that the action itself reports why it failed.
const ACTION_LIMIT: Duration = Duration::from_secs(60);
/// The engine's own requests go there.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// How often old rows are deleted.
const PRUNE_WAIT: Duration = Duration::from_secs(3600);

/// The relay; cheap to clone.
#[derive(Clone)]
pub struct Relay(Arc<Parts>);

struct Parts {
    config: Config,
    webhooks: Webhooks,
    ledger: Ledger,
    peers: Peers,
    verifier: Verifier,
    endpoints: HashMap<(String, String), EndpointId>,
    pages: serve::Pages,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl FromRef<Relay> for Verifier {
    fn from_ref(relay: &Relay) -> Self {
        relay.0.verifier.clone()
    }
}

impl Relay {
    /// Opens the store and resumes unfinished actions. `page` is the address at which
    /// [`Relay::page`] is served and to which the engine sends its requests.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(
        config: Config,
        page: SocketAddr,
        pages: serve::Pages,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        // URLs that contain an event's values are checked without allowing the loopback addresses.
        let policy = AddressPolicy::default().allow_networks(&config.allow_networks)?;
        let builder = Builder::default()
            .allow_networks(LOOPBACK)?
            .time_limit(ACTION_LIMIT)
            .clock(Arc::clone(&clock))
            // It is for the operator to stop an action that fails for days.
            .disable_after(None);
        let address = format!("sqlite:{}", config.store.display());
        let webhooks = builder.open(&address).await?;
        let ledger = Ledger::open(&webhooks).await?;
        ledger.prune(RETENTION_DEFAULT, now(&clock)).await?;
        let made = Secret::generate().expose();
        let secret: Secret = ledger.setting("secret", made).await?.parse()?;
        let setup = Setup {
            webhooks: &webhooks,
            ledger: &ledger,
            page,
            secret: &secret,
        };
        let endpoints = setup.endpoints(&config).await?;
        let relay = Self(Arc::new(Parts {
            peers: Peers::new(policy, ledger.clone())?,
            verifier: by_clock(Verifier::standard([secret]), &clock),
            config,
            webhooks,
            ledger,
            endpoints,
            pages,
            clock,
        }));
        tokio::spawn(prune(Arc::downgrade(&relay.0)));
        Ok(relay)
    }

    /// Stops: running actions may finish within `grace`; the rest continues after the next start.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.webhooks.shutdown(grace).await;
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// The engine, which has what arrived and what is pending.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.0.peers
    }

    /// The verifier of a source, using the relay's clock.
    pub(crate) fn verifier(&self, source: &Source) -> Verifier {
        by_clock(source.verifier.clone(), &self.0.clock)
    }

    pub(crate) fn pages(&self) -> &serve::Pages {
        &self.0.pages
    }

    pub(crate) fn now(&self) -> Timestamp {
        now(&self.0.clock)
    }

    /// The endpoint named `name` of one of our customers.
    pub(crate) fn endpoint(&self, customer: &str, name: &str) -> Option<&EndpointId> {
        self.0
            .endpoints
            .get(&(customer.to_owned(), name.to_owned()))
    }
}

fn now(clock: &Arc<dyn Clock>) -> Timestamp {
    // A clock outside the range of jiff is wrong by ten thousand years.
    Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn by_clock(verifier: Verifier, clock: &Arc<dyn Clock>) -> Verifier {
    let clock = Arc::clone(clock);
    verifier.clock(move || clock.wall())
}

async fn prune(parts: std::sync::Weak<Parts>) {
    loop {
        tokio::time::sleep(PRUNE_WAIT).await;
        let Some(parts) = parts.upgrade() else {
            return;
        };
        let pruned = parts
            .ledger
            .prune(RETENTION_DEFAULT, now(&parts.clock))
            .await;
        if let Err(error) = pruned {
            tracing::warn!(%error, "could not delete old actions");
        }
    }
}
