//! The relay: the engine with its endpoints, one for each source and each action.
//!
//! An event is sent to its source's endpoint, which finds the rules that want it; each rule's
//! first action is sent as an event of its own, and each that is done sends the next. All these
//! endpoints are on this program's loopback address: the engine stores, retries and lists.

use std::{collections::HashMap, net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use axum::{Router, extract::FromRef};
use jiff::Timestamp;
use webhooks_core::{
    AddressPolicy, Builder, Clock, Endpoint, EndpointChange, EndpointError, EndpointId,
    EndpointState, NetworkError, NewEndpoint, OpenError as StoreOpenError, RETENTION_DEFAULT,
    RetrySchedule, Secret, SecretError, TransactionError, Webhooks, receive::Verifier,
};

use crate::{
    action::Peers,
    config::Config,
    ledger::Ledger,
    page, perform,
    receive::{self, source_customer},
    route,
    rule::Step,
    source::Source,
};

/// Longer than any action may take, so that it is the action that says why it failed.
const ACTION_LIMIT: Duration = Duration::from_secs(60);
/// The engine's own requests go there.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// How often what is too old is forgotten.
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

/// The relay can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store can't be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The store refused the relay's own tables.
    #[error("the store refused: {0}")]
    Tables(#[from] TransactionError),
    /// The engine refused an endpoint.
    #[error("the engine refused an action's endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The secret in the store is damaged.
    #[error("the store's setting \"secret\" can't be read ({0}); restore the file from a backup")]
    Secret(#[from] SecretError),
    /// A network in the settings is not one.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No client could be made.
    #[error("no HTTP client could be made: {0}")]
    Client(#[from] reqwest::Error),
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
    /// Opens the store, and starts what was left of actions. `page` is where
    /// [`Relay::page`] is served, which is where the engine sends its requests.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(
        config: Config,
        page: SocketAddr,
        pages: serve::Pages,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        // What an event's values lead to is judged without the loopback addresses.
        let policy = AddressPolicy::default().allow_networks(&config.allow_networks)?;
        let builder = Builder::default()
            .allow_networks(LOOPBACK)?
            .time_limit(ACTION_LIMIT)
            .clock(Arc::clone(&clock))
            // An action that fails for days is the operator's to end.
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

    /// Where webhooks arrive: a route for each source.
    pub fn sources(&self) -> Router {
        receive::routes(self)
    }

    /// The page, and what the engine calls. To be served on a loopback address only.
    pub fn page(&self) -> Router {
        let engine = Router::new()
            .merge(route::routes())
            .merge(perform::routes())
            .with_state(self.clone());
        serve::same_origin(page::routes(self).merge(engine), [] as [&str; 0])
    }

    /// Stops: actions that run may end within `grace`; the rest goes on after the next start.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.webhooks.shutdown(grace).await;
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// The engine: what came and what is to be done is there.
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

    /// The verifier of a source, by the relay's clock.
    pub(crate) fn verifier(&self, source: &Source) -> Verifier {
        by_clock(source.verifier.clone(), &self.0.clock)
    }

    pub(crate) fn pages(&self) -> &serve::Pages {
        &self.0.pages
    }

    pub(crate) fn now(&self) -> Timestamp {
        now(&self.0.clock)
    }

    /// The endpoint named `name` of a customer of ours.
    pub(crate) fn endpoint(&self, customer: &str, name: &str) -> Option<&EndpointId> {
        self.0
            .endpoints
            .get(&(customer.to_owned(), name.to_owned()))
    }
}

fn now(clock: &Arc<dyn Clock>) -> Timestamp {
    // A clock that stands outside of what jiff can say is wrong by ten thousand years.
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
            tracing::warn!(%error, "old actions were not forgotten");
        }
    }
}

/// Whose events at webhooks-core a rule's actions are.
pub(crate) fn rule_customer(rule: &str) -> String {
    format!("rule/{rule}")
}

/// The event type of a source's own endpoint.
pub(crate) const EVERY_TYPE: &str = "*";

/// Makes the engine's endpoints what the file says.
struct Setup<'a> {
    webhooks: &'a Webhooks,
    ledger: &'a Ledger,
    page: SocketAddr,
    secret: &'a Secret,
}

/// An endpoint as the file wants it.
struct Wanted {
    customer: String,
    /// The one event type that it gets, by which it is found again.
    name: String,
    path: String,
    retry: Option<RetrySchedule>,
    per_second: Option<NonZeroU32>,
}

impl Wanted {
    fn of_source(source: &str) -> Self {
        Self {
            customer: source_customer(source),
            name: EVERY_TYPE.to_owned(),
            path: format!("/route/{source}"),
            retry: None,
            per_second: None,
        }
    }

    fn of_step(rule: &str, step: &Step) -> Self {
        Self {
            customer: rule_customer(rule),
            name: step.name.clone(),
            path: format!("/actions/{rule}/{}", step.name),
            retry: step.retry.clone(),
            per_second: step.per_second,
        }
    }
}

impl Setup<'_> {
    async fn endpoints(
        &self,
        config: &Config,
    ) -> Result<HashMap<(String, String), EndpointId>, OpenError> {
        let mut wanted: Vec<Wanted> = Vec::new();
        wanted.extend(
            config
                .sources
                .iter()
                .map(|source| Wanted::of_source(&source.name)),
        );
        for rule in &config.rules {
            wanted.extend(
                rule.steps
                    .iter()
                    .map(|step| Wanted::of_step(&rule.name, step)),
            );
        }
        let customers = wanted
            .iter()
            .map(|wanted| wanted.customer.clone())
            .collect();
        let mut endpoints = HashMap::new();
        for customer in self.ledger.customers(customers).await? {
            let mut present = self.webhooks.endpoints(&customer).list().await?;
            for wanted in wanted.iter().filter(|wanted| wanted.customer == customer) {
                let place = present
                    .iter()
                    .position(|endpoint| endpoint.event_types == [wanted.name.as_str()]);
                let id = match place {
                    Some(place) => self.keep(&present.swap_remove(place), wanted).await?,
                    None => self.add(wanted).await?,
                };
                endpoints.insert((customer.clone(), wanted.name.clone()), id);
            }
            // What is left is no longer in the file.
            for endpoint in present {
                tracing::warn!(
                    customer,
                    action = endpoint.event_types.join(", "),
                    "an action is no longer in the file; what it still had to do has ended"
                );
                self.webhooks
                    .endpoints(&customer)
                    .remove(&endpoint.id)
                    .await?;
            }
        }
        Ok(endpoints)
    }

    async fn add(&self, wanted: &Wanted) -> Result<EndpointId, OpenError> {
        let mut new = NewEndpoint::new(self.url(wanted))
            .event_types([&wanted.name])
            .secret(self.secret.clone());
        if let Some(retry) = &wanted.retry {
            new = new.retry(retry);
        }
        if let Some(per_second) = wanted.per_second {
            new = new.per_second(per_second);
        }
        Ok(self.webhooks.endpoints(&wanted.customer).add(new).await?.id)
    }

    /// Changes only what is not as the file says: a change is a commit and a line in the log.
    async fn keep(&self, present: &Endpoint, wanted: &Wanted) -> Result<EndpointId, OpenError> {
        let endpoints = self.webhooks.endpoints(&wanted.customer);
        let id = present.id.clone();
        let settings = endpoints.settings(&id).await?;
        let url = self.url(wanted);
        if present.url != url
            || settings.retry != wanted.retry
            || settings.per_second != wanted.per_second
        {
            let change = EndpointChange::new()
                .url(url)
                .retry(wanted.retry.as_ref())
                .per_second(wanted.per_second);
            endpoints.edit(&id, change).await?;
        }
        if matches!(present.state, EndpointState::Disabled { .. }) {
            endpoints.enable(&id).await?;
        }
        Ok(id)
    }

    fn url(&self, wanted: &Wanted) -> String {
        format!("http://{}{}", self.page, wanted.path)
    }
}
