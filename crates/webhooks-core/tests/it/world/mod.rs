//! A small world for tests: an engine, a clock that stands still, a receiver.
#![cfg(feature = "testing")]
#![allow(dead_code)]

pub(crate) mod fault;
pub(crate) mod gate;
pub(crate) mod hold;
pub(crate) mod log;
pub(crate) mod outside;
pub(crate) mod server;
pub(crate) mod space;

use std::{path::Path, sync::Arc, time::Duration};

use webhooks_core::{
    Builder, Clock, Delivery, DeliveryState, EndpointId, Event, NewEndpoint, Webhooks,
    testing::{ManualClock, Receiver},
};

use crate::each_store::Database;

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) webhooks: Webhooks,
    pub(crate) receiver: Receiver,
    /// Where its database is.
    pub(crate) address: String,
    /// Gone with the world, where the world made it.
    pub(crate) database: Option<Database>,
}

pub(crate) fn builder(clock: &Arc<ManualClock>) -> Builder {
    Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
}

impl World {
    /// An engine in memory.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        Self::open(Arc::default(), "sqlite::memory:", change).await
    }

    pub(crate) async fn on_file(file: &Path) -> Self {
        Self::open(
            Arc::default(),
            &format!("sqlite:{}", file.display()),
            |builder| builder,
        )
        .await
    }

    pub(crate) async fn open(
        clock: Arc<ManualClock>,
        address: &str,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let webhooks = change(builder(&clock)).open(address).await.unwrap();
        Self {
            clock,
            webhooks,
            receiver: Receiver::start().await.unwrap(),
            address: address.to_owned(),
            database: None,
        }
    }

    /// Adds an endpoint of "acme" at the receiver.
    pub(crate) async fn endpoint(
        &self,
        change: impl FnOnce(NewEndpoint) -> NewEndpoint,
    ) -> EndpointId {
        let endpoint = change(NewEndpoint::new(self.receiver.url()));
        self.webhooks
            .endpoints("acme")
            .add(endpoint)
            .await
            .unwrap()
            .id
    }

    /// Sends one event of "acme" under a given id.
    pub(crate) async fn send(&self, id: &str) {
        let event = Event::new("random_number:generate", &1).id(id);
        self.webhooks.send("acme", event).await.unwrap();
    }

    pub(crate) async fn send_all(&self, ids: impl IntoIterator<Item = String>) {
        let events = ids
            .into_iter()
            .map(|id| Event::new("random_number:generate", &1).id(id));
        self.webhooks.send_all("acme", events).await.unwrap();
    }

    /// Time passes, and what becomes due is done.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.webhooks.drain().await;
    }

    /// Time passes in steps, so that what one step causes can become due in a later one.
    pub(crate) async fn pass_in_steps(&self, step: Duration, steps: u32) {
        for _ in 0..steps {
            self.pass(step).await;
        }
    }

    pub(crate) async fn delivery(&self, event_id: &str) -> Delivery {
        let deliveries = self.webhooks.deliveries("acme", event_id).await.unwrap();
        assert_eq!(deliveries.len(), 1, "{deliveries:?}");
        deliveries.into_iter().next().unwrap()
    }

    pub(crate) async fn state(&self, event_id: &str) -> DeliveryState {
        self.delivery(event_id).await.state
    }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}
