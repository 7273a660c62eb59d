//! `flush`: first attempts are waited for, and nothing else.

use std::time::Duration;

use webhooks_core::{NewEndpoint, testing::Answer};

use crate::{each_store::Store, world::seconds};

/// None of these waits ends by itself.
const LONG: Duration = Duration::from_secs(30);

async fn what_was_sent_right_before_the_end_has_been_tried(store: Store) {
    for _ in 0..10 {
        let world = store.world().await;
        world.endpoint(|endpoint| endpoint).await;
        world.send_all((0..100).map(|n| format!("e{n}"))).await;
        assert_eq!(world.webhooks.flush(LONG).await.unwrap(), 0);
        world.webhooks.shutdown(seconds(0)).await;
        assert_eq!(world.receiver.requests().len(), 100);
    }
}

async fn a_retry_is_not_waited_for(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500]);
    world.send("fails").await;
    assert_eq!(world.webhooks.flush(LONG).await.unwrap(), 0, "it was tried");
    assert_eq!(world.webhooks.pending().await.unwrap(), 1);
}

async fn more_than_memory_holds_is_waited_for(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    for batch in 0..3 {
        world
            .send_all((0..700).map(|n| format!("e{batch}-{n}")))
            .await;
    }
    assert_eq!(world.webhooks.flush(LONG).await.unwrap(), 0);
    assert_eq!(world.receiver.requests().len(), 2_100);
}

async fn what_a_paused_endpoint_is_owed_is_counted_and_not_waited_for(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send("held").await;
    assert_eq!(world.webhooks.flush(LONG).await.unwrap(), 1);
}

async fn what_an_endpoint_in_trouble_is_owed_is_counted_and_not_waited_for(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let stop = Answer::status(429).header("retry-after", "60");
    world.receiver.respond([stop]);
    world.send("tried").await;
    assert_eq!(world.webhooks.flush(LONG).await.unwrap(), 0);
    world.send("held").await;
    assert_eq!(world.webhooks.flush(LONG).await.unwrap(), 1);
}

async fn an_endpoint_that_hangs_is_waited_for_no_longer_than_was_asked(store: Store) {
    let world = store.world().await;
    let endpoint = NewEndpoint::new(world.receiver.url());
    world
        .webhooks
        .endpoints("acme")
        .add(endpoint)
        .await
        .unwrap();
    world.receiver.respond([Answer::hang()]);
    world.send("hangs").await;
    world.receiver.wait_for(1).await;
    let left = world.webhooks.flush(Duration::from_millis(1)).await;
    assert_eq!(left.unwrap(), 1);
}

for_each_store!(
    what_was_sent_right_before_the_end_has_been_tried,
    a_retry_is_not_waited_for,
    more_than_memory_holds_is_waited_for,
    what_a_paused_endpoint_is_owed_is_counted_and_not_waited_for,
    what_an_endpoint_in_trouble_is_owed_is_counted_and_not_waited_for,
    an_endpoint_that_hangs_is_waited_for_no_longer_than_was_asked
);
