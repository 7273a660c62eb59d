//! A customer with few events is answered by a few of them, however many others have.

use webhooks_core::{DeliveryFilter, Event, NewEndpoint, Replay, ReplayOutcome};

use crate::{each_store::Store, world::World};

/// More than what is looked through for one page.
const EVENTS_OF_OTHERS: usize = 6_000;

/// A customer "quiet" with one event before those of "busy", and one after them.
async fn beside_a_busy_one(store: Store) -> (World, webhooks_core::EndpointId) {
    let world = store.world().await;
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

async fn all_deliveries_of_a_quiet_customer_are_one_page(store: Store) {
    let (world, id) = beside_a_busy_one(store).await;
    assert_eq!(
        listed(&world, &id, DeliveryFilter::All).await,
        ["last", "first"]
    );
}

async fn an_event_behind_one_that_was_taken_back_is_listed(store: Store) {
    let world = store.world().await;
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

async fn pages_that_are_read_while_deliveries_are_made_have_them(store: Store) {
    let world = store.world().await;
    let endpoint = NewEndpoint::new(world.receiver.url());
    let id = world.webhooks.endpoints("quiet").add(endpoint).await;
    let id = id.unwrap().id;
    let webhooks = world.webhooks.clone();
    let sending = tokio::spawn(async move {
        for number in 0..1_000 {
            let event = Event::new("random_number:generate", &number);
            webhooks.send("quiet", event).await.unwrap();
        }
    });
    let endpoints = world.webhooks.endpoints("quiet");
    let mut listed = 0;
    while !sending.is_finished() {
        let page = endpoints.deliveries(&id, DeliveryFilter::All, None, 5);
        let now = page.await.unwrap().deliveries.len();
        assert!(now >= listed, "{now} after {listed}");
        listed = now;
    }
    sending.await.unwrap();
}

async fn what_is_owed_to_a_quiet_customer_is_one_page(store: Store) {
    let (world, id) = beside_a_busy_one(store).await;
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

async fn a_replay_of_a_quiet_customer_sends_its_events_again(store: Store) {
    let (world, id) = beside_a_busy_one(store).await;
    world.webhooks.drain().await;
    let delivered = Replay {
        outcome: ReplayOutcome::Delivered,
        ..Replay::default()
    };
    let endpoints = world.webhooks.endpoints("quiet");
    assert_eq!(endpoints.replay(&id, delivered).await.unwrap(), 2);
    assert_eq!(world.receiver.wait_for(4).await.len(), 4);
}

async fn a_busy_customer_is_paged_through_to_the_end(store: Store) {
    let (world, _) = beside_a_busy_one(store).await;
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

for_each_store!(
    all_deliveries_of_a_quiet_customer_are_one_page,
    pages_that_are_read_while_deliveries_are_made_have_them,
    an_event_behind_one_that_was_taken_back_is_listed,
    what_is_owed_to_a_quiet_customer_is_one_page,
    a_replay_of_a_quiet_customer_sends_its_events_again,
    a_busy_customer_is_paged_through_to_the_end
);
