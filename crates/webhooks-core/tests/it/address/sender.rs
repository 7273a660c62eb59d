//! Makes requests through the engine: judged at registration, and again at the moment of dialling.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use webhooks_core::{
    AddressPolicy, EndpointError, Event, Failure, LookupError, Outcome as Attempted, Resolve,
    Resolved, Resolving, Webhooks,
};

use crate::{
    each_store::{Database, Store},
    world::builder,
};

/// Only a bound: nothing here waits for a network.
const TIME_LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) enum Outcome {
    Refused(String),
    Failed(String),
    Answered(u16),
}

pub(crate) struct Sender {
    webhooks: Webhooks,
    attempts: AtomicUsize,
    /// Gone with the sender, where it made it.
    #[expect(dead_code, reason = "what counts is that it is there")]
    database: Option<Database>,
}

impl Sender {
    /// With a database of its own.
    pub(crate) async fn on(store: Store, policy: AddressPolicy, names: Arc<dyn Resolve>) -> Self {
        let database = store.database();
        let sender = Self::at(&database.address, policy, names).await;
        Self {
            database: Some(database),
            ..sender
        }
    }

    pub(crate) async fn at(address: &str, policy: AddressPolicy, names: Arc<dyn Resolve>) -> Self {
        let webhooks = builder(&Arc::default())
            .addresses(policy)
            .resolver(names)
            .time_limit(TIME_LIMIT)
            .open(address)
            .await
            .unwrap();
        Self {
            webhooks,
            attempts: AtomicUsize::new(0),
            database: None,
        }
    }

    pub(crate) async fn attempt(&self, url: &str) -> Outcome {
        // A customer each, so that one event has one delivery.
        let customer = format!("c{}", self.attempts.fetch_add(1, Ordering::SeqCst));
        match self.webhooks.endpoints(&customer).add(url).await {
            Ok(_) => {}
            Err(EndpointError::Address(refusal)) => {
                return Outcome::Refused(refusal.for_operators().to_string());
            }
            Err(error) => panic!("{url}: {error}"),
        }
        let event = Event::new("random_number:generate", &1);
        let sent = self.webhooks.send(&customer, event).await.unwrap();
        self.webhooks.drain().await;
        let deliveries = self.webhooks.deliveries(&customer, &sent.event_id);
        let attempts = deliveries.await.unwrap().remove(0).attempts;
        assert_eq!(attempts.len(), 1, "{url}: {attempts:?}");
        match (&attempts[0].outcome, attempts[0].status) {
            (_, Some(status)) => Outcome::Answered(status),
            (Attempted::Failure(Failure::Address(refusal)), None) => {
                Outcome::Refused(refusal.clone())
            }
            (outcome, None) => Outcome::Failed(format!("{outcome:?}")),
        }
    }
}

/// Names that always stand for the same addresses.
pub(crate) struct Names(HashMap<String, Vec<IpAddr>>);

impl Names {
    pub(crate) fn new(names: &[(&str, &[&str])]) -> Arc<Self> {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self(
            names
                .iter()
                .map(|(name, texts)| ((*name).to_owned(), addresses(texts)))
                .collect(),
        ))
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        let answer = self.0.get(name.trim_end_matches('.')).cloned();
        Box::pin(async move {
            let addresses = answer.ok_or_else(|| LookupError::NoAddress(name.to_owned()))?;
            Ok(Resolved::new(addresses, Duration::ZERO))
        })
    }
}
