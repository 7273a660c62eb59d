//! A customer with few events is answered by a few of them, however many others have.
#![cfg(feature = "testing")]

use crate::world::{World, hours};
use webhooks_core::{DeliveryFilter, Event, NewEndpoint, Replay, ReplayOutcome};

/// More than what is looked through for one page.
const EVENTS_OF_OTHERS: usize = 6_000;

/// A customer "quiet" with one event before those of "busy", and one after them.
async fn beside_a_busy_one() -> (World, webhooks_core::EndpointId) {
    let world = World::new().await;
    let url = || NewEndpoint::new(world.receiver.url());
    let quiet = world
        .webhooks
        .endpoints("quiet")
        .add(url())
        .await
        .unwrap()
        .id;
    let busy = world
        .webhooks
        .endpoints("busy")
        .add(url())
        .await
        .unwrap()
        .id;
    world.webhooks.endpoints("busy").pause(&busy).await.unwrap();
    let event = |id: &str| Event::new("random_number:generate", &1).id(id);
    world.webhooks.send("quiet", event("first")).await.unwrap();
    for batch in 0..EVENTS_OF_OTHERS / 1_000 {
        let events = (0..1_000).map(|index| event(&format!("{batch}-{index}")));
        world.webhooks.send_all("busy", events).await.unwrap();
    }
    world.webhooks.send("quiet", event("last")).await.unwrap();
    world.receiver.wait_for(2).await;
    (world, quiet)
}

async fn listed(
    world: &World,
    id: &webhooks_core::EndpointId,
    listing: DeliveryFilter,
) -> Vec<String> {
    let endpoints = world.webhooks.endpoints("quiet");
    let page = endpoints.deliveries(id, listing, None, 10).await.unwrap();
    assert_eq!(page.cursor, None, "{listing:?} is one page");
    page.deliveries
        .into_iter()
        .map(|delivery| delivery.event_id)
        .collect()
}

#[tokio::test]
async fn all_deliveries_of_a_quiet_customer_are_one_page() {
    let (world, id) = beside_a_busy_one().await;
    assert_eq!(
        listed(&world, &id, DeliveryFilter::All).await,
        ["last", "first"]
    );
}

#[tokio::test]
async fn an_event_behind_one_that_was_taken_back_is_listed() {
    let world = World::new().await;
    let endpoint = NewEndpoint::new(world.receiver.url());
    let id = world.webhooks.endpoints("quiet").add(endpoint).await;
    let id = id.unwrap().id;
    let event = |id: &str, data: i32| Event::new("random_number:generate", &data).id(id);
    // The second conflicts with the first, so that neither is stored.
    let both = [event("taken-back", 1), event("taken-back", 2)];
    world.webhooks.send_all("quiet", both).await.unwrap_err();
    world
        .webhooks
        .send("quiet", event("stored", 1))
        .await
        .unwrap();
    assert_eq!(listed(&world, &id, DeliveryFilter::All).await, ["stored"]);
}

#[tokio::test]
async fn what_is_owed_to_a_quiet_customer_is_one_page() {
    let (world, id) = beside_a_busy_one().await;
    world.webhooks.drain().await;
    assert_eq!(listed(&world, &id, DeliveryFilter::Pending).await, [""; 0]);
    let endpoints = world.webhooks.endpoints("quiet");
    endpoints.pause(&id).await.unwrap();
    for event_id in ["first", "last"] {
        endpoints.resend(&id, event_id).await.unwrap();
    }
    assert_eq!(
        listed(&world, &id, DeliveryFilter::Pending).await,
        ["first", "last"]
    );
}

#[tokio::test]
async fn a_replay_of_a_quiet_customer_sends_its_events_again() {
    let (world, id) = beside_a_busy_one().await;
    world.webhooks.drain().await;
    let delivered = Replay {
        outcome: ReplayOutcome::Delivered,
        ..Replay::default()
    };
    let endpoints = world.webhooks.endpoints("quiet");
    assert_eq!(endpoints.replay(&id, delivered).await.unwrap(), 2);
    assert_eq!(world.receiver.wait_for(4).await.len(), 4);
}

#[tokio::test]
async fn a_busy_customer_is_paged_through_to_the_end() {
    let (world, _) = beside_a_busy_one().await;
    let endpoints = world.webhooks.endpoints("busy");
    let id = endpoints.list().await.unwrap().remove(0).id;
    for listing in [DeliveryFilter::All, DeliveryFilter::Pending] {
        let mut seen = 0;
        let mut cursor = None;
        loop {
            let page = endpoints
                .deliveries(&id, listing, cursor, 500)
                .await
                .unwrap();
            seen += page.deliveries.len();
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, EVENTS_OF_OTHERS, "{listing:?}");
    }
}

#[tokio::test]
async fn the_index_of_customers_events_forgets_what_retention_takes_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let address = format!("sqlite:{}", file.display());
    let world = World::open(std::sync::Arc::default(), &address, |builder| {
        builder.keep(hours(100), hours(80))
    })
    .await;
    world.endpoint(|endpoint| endpoint).await;
    world
        .send_all((0..10).map(|index| format!("e{index}")))
        .await;
    world.webhooks.drain().await;
    // Another's, in the same block, which is still owed when those are gone.
    let others = world.webhooks.endpoints("other");
    let other = others.add(NewEndpoint::new(world.receiver.url())).await;
    let other = other.unwrap().id;
    others.pause(&other).await.unwrap();
    let owed = Event::new("random_number:generate", &1).id("owed");
    world.webhooks.send("other", owed).await.unwrap();
    world.webhooks.drain().await;
    let indexed = || -> i64 {
        let connection = rusqlite::Connection::open(&file).unwrap();
        let select = "select count(*) from webhooks_customer_block";
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(indexed(), 2);
    world.pass(hours(101)).await;
    world.webhooks.drain().await;
    assert_eq!(indexed(), 1);
    for listing in [DeliveryFilter::All, DeliveryFilter::Pending] {
        let page = others.deliveries(&other, listing, None, 10).await.unwrap();
        assert_eq!(page.deliveries.len(), 1, "{listing:?}");
    }
}
