//! A store in a file with something of everything, as its engine left it.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use tempfile::TempDir;
use webhooks_core::{
    Builder, DeliveryFilter, EndpointId, Event, NewEndpoint, Secret, Webhooks,
    testing::{ManualClock, Receiver},
};

use crate::world::{self, hours, seconds};

pub(super) const CUSTOMERS: [&str; 2] = ["acme", "globex"];

/// A store in a file, its engine stopped, and what it said last.
pub(super) struct Old {
    pub(super) clock: Arc<ManualClock>,
    pub(super) receiver: Receiver,
    /// Of "globex": the secret that was rotated away, whose grace lasts, and the one in its place.
    pub(super) secrets: [Secret; 2],
    pub(super) said: Vec<String>,
    folder: TempDir,
}

impl Old {
    /// The engine's settings, on either store.
    pub(super) fn builder(&self) -> Builder {
        builder(&self.clock)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("w.db")
    }

    pub(super) fn address(&self) -> String {
        format!("sqlite:{}", self.file().display())
    }

    /// As another program does it.
    pub(super) fn insert(&self, statements: &str) {
        let connection = rusqlite::Connection::open(self.file()).unwrap();
        connection.execute_batch(statements).unwrap();
    }

    /// At the end the wall clock is an hour ahead of the timeline, and shows the present.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::starting_at(SystemTime::now() - hours(2));
        let mut old = Self {
            clock: Arc::new(clock),
            receiver: Receiver::start().await.unwrap(),
            secrets: [Secret::generate(), Secret::generate()],
            said: Vec::new(),
            folder,
        };
        let webhooks = old.builder().open(&old.address()).await.unwrap();
        old.live(&webhooks).await;
        old.said = said(&webhooks).await;
        webhooks.shutdown(seconds(5)).await;
        drop(webhooks);
        old.insert("insert into webhooks_outbox (customer, type, data, refused) values ('acme', 'late', '1', 'a trigger said no')");
        old
    }

    async fn live(&self, webhooks: &Webhooks) {
        let url = |path: &str| format!("{}{path}", self.receiver.url());
        let acme = webhooks.endpoints("acme");
        let add = async |endpoint: NewEndpoint| acme.add(endpoint).await.unwrap().id;
        let new = |path: &str| NewEndpoint::new(url(path));
        add(new("plain")).await;
        add(new("ordered").ordered(true)).await;
        add(new("limited").in_flight(2).event_types(["order:*"])).await;
        let paused = add(new("paused")).await;
        let disabled = add(new("disabled")).await;
        let removed = add(new("removed")).await;
        let globex = webhooks.endpoints("globex");
        let endpoint = NewEndpoint::new(url("globex")).secret(self.secrets[0].clone());
        let rotated = globex.add(endpoint).await.unwrap().id;

        send(webhooks, "acme", "delivered").await;
        send(webhooks, "globex", "delivered").await;
        webhooks.drain().await;
        acme.pause(&paused).await.unwrap();
        acme.disable(&disabled, "they asked for it").await.unwrap();
        acme.remove(&removed).await.unwrap();
        // Its retries come after 5 s and 5 min.
        for id in ["canceled", "tried-1", "tried-2"] {
            self.receiver.respond_to(id, [500]);
        }
        send(webhooks, "acme", "canceled").await;
        webhooks.drain().await;
        let plain = first(webhooks).await;
        acme.cancel(&plain, "canceled").await.unwrap();
        self.clock.advance(seconds(3600));
        webhooks.drain().await;
        self.clock.jump_wall(3_600_000);
        for customer in CUSTOMERS {
            for id in ["tried-1", "tried-2"] {
                send(webhooks, customer, id).await;
            }
        }
        webhooks.drain().await;
        self.clock.advance(seconds(6));
        webhooks.drain().await;
        globex
            .rotate_secret(&rotated, Some(self.secrets[1].clone()), hours(24))
            .await
            .unwrap();
        send(webhooks, "acme", "behind").await;
        webhooks.drain().await;
    }
}

fn builder(clock: &Arc<ManualClock>) -> Builder {
    world::builder(clock).encryption_key([7; 32])
}

async fn first(webhooks: &Webhooks) -> EndpointId {
    let endpoints = webhooks.endpoints("acme").list().await.unwrap();
    endpoints[0].id.clone()
}

pub(super) fn event(id: &str) -> Event {
    Event::new("random_number:generate", &863).id(id)
}

pub(super) async fn send(webhooks: &Webhooks, customer: &str, id: &str) {
    webhooks.send(customer, event(id)).await.unwrap();
}

/// The ids of all events that were sent.
pub(super) const EVENTS: [&str; 5] = ["delivered", "canceled", "tried-1", "tried-2", "behind"];

/// All that an engine says of what it has.
pub(super) async fn said(webhooks: &Webhooks) -> Vec<String> {
    let mut said = Vec::new();
    for customer in CUSTOMERS {
        let of = webhooks.endpoints(customer);
        for id in EVENTS {
            said.push(format!("{:?}", webhooks.event(customer, id).await.unwrap()));
            let deliveries = webhooks.deliveries(customer, id).await.unwrap();
            said.push(format!("{customer} {id}: {deliveries:#?}"));
        }
        for endpoint in of.list().await.unwrap() {
            said.push(format!("{endpoint:#?}"));
            said.push(format!("{:?}", of.settings(&endpoint.id).await.unwrap()));
            said.push(format!("{:?}", of.secrets(&endpoint.id).await.unwrap()));
            for id in EVENTS {
                let explanation = webhooks.explain(customer, id, &endpoint.id).await.unwrap();
                said.push(format!("{} {id}: {explanation:#?}", endpoint.url));
            }
            for filter in [
                DeliveryFilter::Pending,
                DeliveryFilter::Ended,
                DeliveryFilter::Failed,
                DeliveryFilter::All,
            ] {
                let page = of
                    .deliveries(&endpoint.id, filter, None, 100)
                    .await
                    .unwrap();
                said.push(format!("{} {filter:?}: {page:#?}", endpoint.url));
            }
        }
    }
    said.push(format!("{} pending", webhooks.pending().await.unwrap()));
    said
}
