//! A lane that is looked at or left in the same transaction in which its state changes.
#![cfg(feature = "testing")]

use crate::world::{
    World,
    gate::{Gate, let_others_run},
    seconds,
};
use futures_util::StreamExt;
use webhooks_core::{ActivityKind, Event, NewEndpoint};

#[tokio::test]
async fn a_head_that_fails_while_more_is_loaded_is_not_overtaken() {
    /// More than a lane loads at first.
    const EVENTS: usize = 1_500;
    /// Waiting in memory when it loads more.
    const LEFT: usize = 64;
    let world = World::new().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let endpoint = NewEndpoint::new(url).ordered(true);
    let id = endpoints.add(endpoint).await.unwrap().id;
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("e{n}")).collect();
    endpoints.pause(&id).await.unwrap();
    for some in ids.chunks(500) {
        world.send_all(some.to_vec()).await;
    }
    endpoints.resume(&id).await.unwrap();
    gate.wait_for(1).await;
    let loaded = world.webhooks.transaction(|tx| {
        let sql = "select count(*) from webhooks_delivery where claim is not null";
        tx.query_row(sql, [], |row| row.get::<_, u32>(0))
    });
    let loaded = usize::try_from(loaded.await.unwrap()).unwrap();
    assert!(loaded < EVENTS, "all are loaded");
    // This one has more loaded when it is taken; before the writer comes to that, it fails.
    let failing = loaded - 1 - LEFT;
    for id in &ids[..failing - 1] {
        gate.open(id, 200);
    }
    gate.wait_for(failing).await;
    let before = world.hold_writer().await;
    let (held, release) = world.hold_writer_in_turn().await;
    gate.open(&ids[failing - 1], 200);
    gate.wait_for(failing + 1).await;
    drop(before);
    held.await.unwrap();
    let mut activities = world.webhooks.subscribe();
    gate.open(&ids[failing], 429);
    while !matches!(
        activities.next().await.unwrap().kind,
        ActivityKind::EndpointInTrouble { .. }
    ) {}
    let_others_run().await;
    drop(release);
    world.webhooks.pending().await.unwrap();
    for id in &ids {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 3).await;
    let mut expected = ids.clone();
    expected.insert(failing, ids[failing].clone());
    assert_eq!(gate.arrived(), expected);
}

#[tokio::test]
async fn a_pause_that_ends_in_the_commit_that_it_began_in_keeps_the_order() {
    let world = World::new().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let added = endpoints.add(NewEndpoint::new(url).ordered(true)).await;
    let id = added.unwrap().id;
    world.send_all(["a", "b", "c"].map(String::from)).await;
    gate.wait_for(1).await;
    let release = world.hold_writer().await;
    let event = Event::new("random_number:generate", &1).id("d");
    let (sent, paused, resumed, ()) = tokio::join!(
        biased;
        world.webhooks.transaction(|tx| tx.send("acme", event)),
        endpoints.pause(&id),
        endpoints.resume(&id),
        async { drop(release) },
    );
    assert!(sent.is_ok() && paused.is_ok() && resumed.is_ok());
    for id in ["a", "b", "c", "d"] {
        gate.open(id, 200);
    }
    world.pass_in_steps(seconds(70), 3).await;
    assert_eq!(gate.arrived(), ["a", "b", "c", "d"]);
}
