//! After a stop no further attempt is started, not even by those that waited for a place.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)]

mod world;

use webhooks_core::testing::Answer;
use world::{World, seconds};

/// More endpoints than the engine has requests in flight (512).
const ENDPOINTS: usize = 540;

#[tokio::test]
async fn what_waits_for_a_place_is_not_sent_after_a_stop() {
    let world = World::with(|builder| builder.time_limit(seconds(3))).await;
    world.receiver.respond([Answer::hang()]);
    for _ in 0..ENDPOINTS {
        world.endpoint(|endpoint| endpoint).await;
    }
    world.send("e").await;
    world.receiver.wait_for(512).await;
    let owed = world.webhooks.shutdown(seconds(10)).await;
    assert_eq!(owed.cut_off, 0);
    assert_eq!(owed.deliveries, ENDPOINTS as u64);
    assert_eq!(world.receiver.requests().len(), 512);
}
