//! An engine that is down, and a clock that is set: nothing is given up that could not be tried.

use std::{net::SocketAddr, sync::Arc};

use webhooks_core::{
    DeliveryState, EndReason, Event, OpenError, Webhooks,
    testing::{ManualClock, Receiver},
};

use crate::{
    each_store::{Database, Store},
    world::{builder, hours, seconds},
};

const EVENTS: usize = 100;

/// An engine on a database that outlives it, and an endpoint at which nothing listens.
pub(crate) struct Engine {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) database: Database,
    address: SocketAddr,
}

impl Engine {
    pub(crate) async fn new(store: Store) -> Self {
        Self {
            clock: Arc::default(),
            database: store.database(),
            address: Receiver::start().await.unwrap().address(),
        }
    }

    /// Opens it, once the process before has let go of the file.
    pub(crate) async fn open(&self) -> Webhooks {
        loop {
            match builder(&self.clock).open(&self.database.address).await {
                Ok(webhooks) => return webhooks,
                Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Opens it with events that were tried as far as a dead endpoint is.
    pub(crate) async fn with_events(&self) -> Webhooks {
        let webhooks = self.open().await;
        let endpoints = webhooks.endpoints("acme");
        let url = format!("http://{}/", self.address);
        endpoints.add(url).await.unwrap();
        let events = (0..EVENTS).map(|n| Event::new("a", &n).id(format!("e{n}")));
        webhooks.send_all("acme", events).await.unwrap();
        webhooks.drain().await;
        webhooks
    }

    pub(crate) async fn pass_minutes(&self, webhooks: &Webhooks, minutes: usize) {
        for _ in 0..minutes {
            self.clock.advance(seconds(61));
            webhooks.drain().await;
        }
    }
}

/// The states of all events, and how many attempts were made for them.
pub(crate) async fn states(webhooks: &Webhooks) -> (Vec<DeliveryState>, usize) {
    let mut states = Vec::new();
    let mut attempts = 0;
    for number in 0..EVENTS {
        let id = format!("e{number}");
        let delivery = webhooks.deliveries("acme", &id).await.unwrap().remove(0);
        let given_up = matches!(delivery.state, DeliveryState::Ended { .. });
        assert!(!given_up || !delivery.attempts.is_empty(), "{delivery:?}");
        attempts += delivery.attempts.len();
        states.push(delivery.state);
    }
    (states, attempts)
}

pub(crate) fn expired(states: &[DeliveryState]) -> usize {
    let is_expired = |state: &&DeliveryState| {
        matches!(
            state,
            DeliveryState::Ended {
                reason: EndReason::Expired,
                ..
            }
        )
    };
    states.iter().filter(is_expired).count()
}

async fn four_days_without_the_engine_cost_no_event(store: Store) {
    let engine = Engine::new(store).await;
    let webhooks = engine.with_events().await;
    webhooks.shutdown(seconds(5)).await;
    drop(webhooks);
    engine.clock.advance(hours(96));
    let webhooks = engine.open().await;
    engine.pass_minutes(&webhooks, 5).await;
    assert_eq!(expired(&states(&webhooks).await.0), 0);
    let receiver = Receiver::start_at(engine.address).await.unwrap();
    engine.pass_minutes(&webhooks, 3).await;
    let mut arrived = receiver.event_ids();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), EVENTS);
    assert_eq!(webhooks.pending().await.unwrap(), 0);
}

async fn six_days_without_the_engine_disable_no_endpoint(store: Store) {
    let engine = Engine::new(store).await;
    let webhooks = engine.with_events().await;
    webhooks.shutdown(seconds(5)).await;
    drop(webhooks);
    engine.clock.advance(hours(6 * 24));
    let webhooks = engine.open().await;
    engine.pass_minutes(&webhooks, 5).await;
    let endpoint = webhooks.endpoints("acme").list().await.unwrap().remove(0);
    assert_eq!(endpoint.state, webhooks_core::EndpointState::Active);
}

async fn what_had_its_time_before_the_engine_went_down_is_tried_once_more_after(store: Store) {
    let engine = Engine::new(store).await;
    let webhooks = engine.with_events().await;
    engine.pass_minutes(&webhooks, EVENTS + 10).await;
    // All were tried, and nearly all of their time is over.
    engine.clock.advance(hours(80));
    webhooks.drain().await;
    let before = states(&webhooks).await.1;
    webhooks.shutdown(seconds(5)).await;
    drop(webhooks);
    engine.clock.advance(hours(24));
    let webhooks = engine.open().await;
    engine.clock.advance(hours(10));
    webhooks.drain().await;
    engine.pass_minutes(&webhooks, EVENTS / 2).await;
    let (half, attempts) = states(&webhooks).await;
    assert!(expired(&half) <= attempts - before, "one attempt each");
    engine.pass_minutes(&webhooks, EVENTS).await;
    let (all, attempts) = states(&webhooks).await;
    assert_eq!(expired(&all), EVENTS);
    assert!(attempts - before >= EVENTS, "{before}, then {attempts}");
}

for_each_durable_store!(
    four_days_without_the_engine_cost_no_event,
    six_days_without_the_engine_disable_no_endpoint,
    what_had_its_time_before_the_engine_went_down_is_tried_once_more_after
);
