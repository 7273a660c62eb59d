//! Sending and delivering, seen from outside.

use std::time::Duration;

use webhooks_core::{DeliveryState, Event, NewEndpoint, Outcome};

use crate::each_store::Store;

async fn an_event_arrives_with_the_body_of_the_talk(store: Store) {
    let world = store.world().await;
    let (webhooks, receiver) = (&world.webhooks, &world.receiver);
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let sent = webhooks
        .send("acme", Event::new("random_number:generate", &863))
        .await
        .unwrap();
    let request = &receiver.wait_for(1).await[0];
    let expected = format!(
        r#"{{"id":"{}","event":"random_number:generate","data":863}}"#,
        sent.event_id
    );
    assert_eq!(request.body, expected);
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), sent.event_id);
    webhooks.drain().await;
    let deliveries = webhooks.deliveries("acme", &sent.event_id).await.unwrap();
    assert!(
        matches!(deliveries[0].state, DeliveryState::Delivered { .. }),
        "{deliveries:?}"
    );
    assert_eq!(deliveries[0].attempts[0].outcome, Outcome::Success);
}

async fn a_failed_attempt_is_made_again_when_its_time_has_come(store: Store) {
    let world = store.world().await;
    let (clock, webhooks, receiver) = (&world.clock, &world.webhooks, &world.receiver);
    receiver.respond([503, 500, 200]);
    webhooks
        .endpoints("acme")
        .add(NewEndpoint::new(receiver.url()))
        .await
        .unwrap();
    let sent = webhooks.send("acme", Event::new("a", &1)).await.unwrap();
    webhooks.drain().await;
    assert_eq!(receiver.requests().len(), 1);
    clock.advance(Duration::from_secs(6));
    webhooks.drain().await;
    assert_eq!(receiver.requests().len(), 2);
    clock.advance(Duration::from_secs(331));
    webhooks.drain().await;
    assert_eq!(receiver.requests().len(), 3);
    let deliveries = webhooks.deliveries("acme", &sent.event_id).await.unwrap();
    assert_eq!(deliveries[0].attempts.len(), 3);
    assert!(
        matches!(deliveries[0].state, DeliveryState::Delivered { .. }),
        "{deliveries:?}"
    );
}

for_each_store!(
    an_event_arrives_with_the_body_of_the_talk,
    a_failed_attempt_is_made_again_when_its_time_has_come
);
