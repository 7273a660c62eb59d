//! An ordered endpoint whose head fails at the moment at which more of its backlog is loaded.

use std::time::Duration;

use crate::{each_store::Store, world::seconds};

/// How many deliveries a lane loads at once, and at how many waiting ones it loads more.
const LOADED: usize = 256;
const LOADED_AGAIN_AT: usize = 64;
/// How long a failed answer may take to be judged while the writer is held. Too short a time
/// cannot fail a sound engine.
const JUDGED_WITHIN: Duration = Duration::from_millis(100);

async fn the_order_holds_with(store: Store, backlog: usize) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint.ordered(true)).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    world.send_all((0..backlog).map(|n| format!("e{n}"))).await;
    // The last of the first load fails once.
    let failing = format!("e{}", LOADED - 1);
    world.receiver.respond_to(&failing, [500, 200]);
    endpoints.resume(&id).await.unwrap();
    world.receiver.wait_for(1).await;
    let (running, first) = world.hold_writer_in_turn().await;
    running.await.unwrap();
    world.receiver.wait_for(LOADED - LOADED_AGAIN_AT + 2).await;
    // More was asked for; it is loaded in one commit with this, which lasts until the head failed.
    let (running, second) = world.hold_writer_in_turn().await;
    drop(first);
    running.await.unwrap();
    world.receiver.wait_for(LOADED).await;
    tokio::time::sleep(JUDGED_WITHIN).await;
    drop(second);
    world.webhooks.drain().await;
    for _ in 0..10 {
        world.pass(seconds(10)).await;
    }
    let mut expected: Vec<String> = (0..backlog).map(|n| format!("e{n}")).collect();
    expected.insert(LOADED, failing);
    assert_eq!(world.receiver.event_ids(), expected);
}

async fn the_order_holds_when_the_head_fails_while_more_is_loaded(store: Store) {
    the_order_holds_with(store, 2 * LOADED + 100).await;
}

async fn the_order_holds_when_the_head_fails_while_the_rest_is_loaded(store: Store) {
    the_order_holds_with(store, LOADED + 100).await;
}

for_each_store!(
    the_order_holds_when_the_head_fails_while_more_is_loaded,
    the_order_holds_when_the_head_fails_while_the_rest_is_loaded
);
