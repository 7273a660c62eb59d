//! Sending: idempotence, batches.

use webhooks_core::{DeliveryState, EndReason, Event, SEND_ALL_MAX, SendError};

use crate::{each_store::Store, world::seconds};

async fn the_same_id_with_the_same_content_is_the_same_event(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let event = |data: u32| Event::new("a", &data).id("first");
    let first = world.webhooks.send("acme", event(1)).await.unwrap();
    assert_eq!((first.deliveries, first.duplicate), (1, false));
    let again = world.webhooks.send("acme", event(1)).await.unwrap();
    assert_eq!((again.deliveries, again.duplicate), (1, true));
    world.webhooks.drain().await;
    let later = world.webhooks.send("acme", event(1)).await.unwrap();
    assert_eq!((later.deliveries, later.duplicate), (1, true));
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 1);
    let refused = world.webhooks.send("acme", event(2)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        r#"event "first" was sent before with other content; use another id"#
    );
}

async fn a_batch_is_stored_whole_or_not_at_all(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("taken").await;
    let batch = || {
        [
            Event::new("a", &1).id("x"),
            Event::new("a", &"other content").id("taken"),
        ]
    };
    let refused = world.webhooks.send_all("acme", batch()).await.unwrap_err();
    assert!(matches!(refused, SendError::Conflict(id) if id == "taken"));
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["taken"]);
    assert_eq!(world.webhooks.deliveries("acme", "x").await.unwrap(), []);
    let many = (0..=SEND_ALL_MAX).map(|_| Event::new("a", &1));
    assert!(matches!(
        world.webhooks.send_all("acme", many).await,
        Err(SendError::TooMany { events: 1_001, .. })
    ));
}

async fn an_event_that_nobody_wants_is_stored_all_the_same(store: Store) {
    let world = store.world().await;
    let sent = world
        .webhooks
        .send("acme", Event::new("a", &1).id("x"))
        .await
        .unwrap();
    assert_eq!(sent.deliveries, 0);
    assert!(
        world
            .webhooks
            .send("acme", Event::new("a", &1).id("x"))
            .await
            .unwrap()
            .duplicate
    );
}

async fn one_event_is_sent_again_and_attempts_are_numbered_on(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("a").await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.resend(&id, "a").await.unwrap();
    world.webhooks.drain().await;
    let numbers: Vec<u32> = world
        .delivery("a")
        .await
        .attempts
        .iter()
        .map(|attempt| attempt.number)
        .collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(world.receiver.event_ids(), ["a", "a"]);
    let unknown = endpoints.resend(&id, "none").await.unwrap_err();
    assert!(
        unknown.to_string().contains("has no event \"none\""),
        "{unknown}"
    );
}

async fn resending_what_waits_makes_it_due_now(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500, 503, 200]);
    world.send("a").await;
    world.webhooks.drain().await;
    for attempts in [2, 3] {
        world
            .webhooks
            .endpoints("acme")
            .resend(&id, "a")
            .await
            .unwrap();
        world.webhooks.drain().await;
        assert_eq!(world.receiver.requests().len(), attempts);
    }
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Delivered { .. }
    ));
}

async fn nothing_is_sent_after_a_cancel(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint.in_flight(1)).await;
    world.receiver.respond([500]);
    world.send("a").await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    assert!(
        !endpoints.cancel(&id, "a").await.unwrap(),
        "it was not in flight"
    );
    world.pass(seconds(600)).await;
    assert_eq!(world.receiver.requests().len(), 1);
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Ended {
            reason: EndReason::Canceled,
            ..
        }
    ));
    let again = endpoints.cancel(&id, "a").await.unwrap_err();
    assert_eq!(
        again.to_string(),
        format!("event \"a\" is not pending for endpoint {id}: it was delivered, or has ended")
    );
}

async fn what_waits_in_memory_can_be_cancelled_too(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint.in_flight(1)).await;
    world
        .receiver
        .respond([webhooks_core::testing::Answer::hang()]);
    world.send_all(["a", "b"].map(String::from)).await;
    world.receiver.wait_for(1).await;
    let endpoints = world.webhooks.endpoints("acme");
    assert!(
        !endpoints.cancel(&id, "b").await.unwrap(),
        "it waited in memory"
    );
    assert!(
        endpoints.cancel(&id, "a").await.unwrap(),
        "its request is in flight"
    );
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn an_attempt_that_was_in_flight_at_a_cancel_is_kept_beside_that_of_the_resend(store: Store) {
    let world = store
        .world_with(|builder| builder.time_limit(seconds(1)))
        .await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let hang = webhooks_core::testing::Answer::hang();
    world.receiver.respond_to("a", [hang, 200.into()]);
    world.send("a").await;
    world.receiver.wait_for(1).await;
    let endpoints = world.webhooks.endpoints("acme");
    assert!(endpoints.cancel(&id, "a").await.unwrap(), "it is in flight");
    endpoints.resend(&id, "a").await.unwrap();
    world.receiver.wait_for(2).await;
    world.webhooks.drain().await;
    let delivery = world.delivery("a").await;
    let mut numbers = Vec::new();
    let mut successes = 0;
    for attempt in &delivery.attempts {
        numbers.push(attempt.number);
        successes += usize::from(attempt.outcome == webhooks_core::Outcome::Success);
    }
    assert_eq!((numbers, successes), (vec![1, 2], 1), "{delivery:?}");
}

async fn a_customer_gets_events_from_its_first_endpoint_on(store: Store) {
    let world = store.world().await;
    world.send("before").await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("with").await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.remove(&id).await.unwrap();
    world.send("without").await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("again").await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["with", "again"]);
}

async fn an_event_whose_map_is_written_in_another_order_is_the_same_event(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let raw = |json: &str| serde_json::value::RawValue::from_string(json.to_owned()).unwrap();
    let first = raw(r#"{"total":100,"items":[{"sku":"a","price":1.5}],"note":"\u00e9"}"#);
    let again = raw(r#"{"note":"é", "items":[{"price":15e-1,"sku":"a"}], "total":1e2}"#);
    let other = raw(r#"{"note":"é", "items":[{"price":15e-1,"sku":"a"}], "total":101}"#);
    let send = async |data: &serde_json::value::RawValue| {
        let event = Event::new("order", data).id("order-1");
        world.webhooks.send("acme", event).await
    };
    assert!(!send(&first).await.unwrap().duplicate);
    assert!(send(&again).await.unwrap().duplicate);
    assert!(matches!(send(&other).await, Err(SendError::Conflict(id)) if id == "order-1"));
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 1);
}

for_each_store!(
    the_same_id_with_the_same_content_is_the_same_event,
    a_batch_is_stored_whole_or_not_at_all,
    an_event_that_nobody_wants_is_stored_all_the_same,
    one_event_is_sent_again_and_attempts_are_numbered_on,
    resending_what_waits_makes_it_due_now,
    nothing_is_sent_after_a_cancel,
    what_waits_in_memory_can_be_cancelled_too,
    an_attempt_that_was_in_flight_at_a_cancel_is_kept_beside_that_of_the_resend,
    a_customer_gets_events_from_its_first_endpoint_on,
    an_event_whose_map_is_written_in_another_order_is_the_same_event
);
