//! An engine that is down, and a clock that is set: nothing is given up that could not be tried.
#![cfg(feature = "testing")]

use std::{net::SocketAddr, path::Path, sync::Arc};

use crate::world::{builder, gate::let_others_run, hours, seconds};
use webhooks_core::{
    DeliveryState, EndReason, Event, OpenError, Webhooks,
    testing::{ManualClock, Receiver},
};

const EVENTS: usize = 100;

/// An engine on a file, and an endpoint at which nothing listens.
struct Engine {
    clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Engine {
    async fn new() -> Self {
        Self {
            clock: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            address: Receiver::start().await.unwrap().address(),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("w.db")
    }

    /// Opens it, once the process before has let go of the file.
    async fn open(&self) -> Webhooks {
        let address = format!("sqlite:{}", self.file().display());
        loop {
            match builder(&self.clock).open(&address).await {
                Ok(webhooks) => return webhooks,
                Err(OpenError::InUse { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Opens it with events that were tried as far as a dead endpoint is.
    async fn with_events(&self) -> Webhooks {
        let webhooks = self.open().await;
        let endpoints = webhooks.endpoints("acme");
        let url = format!("http://{}/", self.address);
        endpoints.add(url).await.unwrap();
        let events = (0..EVENTS).map(|n| Event::new("a", &n).id(format!("e{n}")));
        webhooks.send_all("acme", events).await.unwrap();
        webhooks.drain().await;
        webhooks
    }

    async fn pass_minutes(&self, webhooks: &Webhooks, minutes: usize) {
        for _ in 0..minutes {
            self.clock.advance(seconds(61));
            webhooks.drain().await;
        }
    }
}

/// The states of all events, and how many attempts were made for them.
async fn states(webhooks: &Webhooks) -> (Vec<DeliveryState>, usize) {
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

fn expired(states: &[DeliveryState]) -> usize {
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

fn stored_offset(file: &Path) -> i64 {
    let connection = rusqlite::Connection::open(file).unwrap();
    let select = "select value from webhooks_setting where name = 'offset'";
    connection.query_row(select, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn four_days_without_the_engine_cost_no_event() {
    let engine = Engine::new().await;
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

#[tokio::test]
async fn six_days_without_the_engine_disable_no_endpoint() {
    let engine = Engine::new().await;
    let webhooks = engine.with_events().await;
    webhooks.shutdown(seconds(5)).await;
    drop(webhooks);
    engine.clock.advance(hours(6 * 24));
    let webhooks = engine.open().await;
    engine.pass_minutes(&webhooks, 5).await;
    let endpoint = webhooks.endpoints("acme").list().await.unwrap().remove(0);
    assert_eq!(endpoint.state, webhooks_core::EndpointState::Active);
}

#[tokio::test]
async fn what_had_its_time_before_the_engine_went_down_is_tried_once_more_after() {
    let engine = Engine::new().await;
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

#[tokio::test]
async fn a_jump_is_stored_with_the_next_commit_and_makes_no_retry_early() {
    for jump_ms in [3_600_000, 96 * 3_600_000, -3_600_000] {
        let engine = Engine::new().await;
        let webhooks = engine.with_events().await;
        engine.pass_minutes(&webhooks, 3).await;
        let before = states(&webhooks).await.1;
        engine.clock.jump_wall(jump_ms);
        // For another customer, whom it does not concern.
        webhooks.send("other", Event::new("a", &1)).await.unwrap();
        assert_eq!(stored_offset(&engine.file()), -jump_ms);
        // It ends without a shutdown.
        drop(webhooks);
        let webhooks = engine.open().await;
        webhooks.drain().await;
        let (states, attempts) = states(&webhooks).await;
        assert_eq!(expired(&states), 0, "after {jump_ms} ms");
        assert!(attempts <= before + 1, "{before}, then {attempts}");
    }
}

#[tokio::test]
async fn a_jump_is_noticed_within_a_second_though_nothing_happens() {
    let engine = Engine::new().await;
    let webhooks = engine.open().await;
    webhooks.drain().await;
    engine.clock.jump_wall(3_600_000);
    for _ in 0..100 {
        // The watch may not have begun its second yet.
        engine.clock.advance(seconds(1));
        let_others_run().await;
        if stored_offset(&engine.file()) != 0 {
            return;
        }
    }
    panic!("it was not noticed");
}
