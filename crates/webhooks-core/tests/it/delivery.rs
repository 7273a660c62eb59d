//! Sending and delivering, seen from outside.
#![cfg(feature = "testing")]

use std::{sync::Arc, time::Duration};

use webhooks_core::{
    DeliveryState, Event, NewEndpoint, Outcome, Webhooks,
    testing::{ManualClock, Receiver},
};

async fn engine(clock: &Arc<ManualClock>) -> Webhooks {
    Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(clock) as Arc<dyn webhooks_core::Clock>)
        .open("sqlite::memory:")
        .await
        .unwrap()
}

#[tokio::test]
async fn an_event_arrives_with_the_body_of_the_talk() {
    let webhooks = engine(&Arc::default()).await;
    let receiver = Receiver::start().await.unwrap();
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

#[tokio::test]
async fn a_failed_attempt_is_made_again_when_its_time_has_come() {
    let clock = Arc::<ManualClock>::default();
    let webhooks = engine(&clock).await;
    let receiver = Receiver::start().await.unwrap();
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
