//! A wall clock that jumps by an hour or a day, forward or back: no storm, no stall.

use std::{sync::Arc, time::Duration};

use webhooks_core::{DeliveryState, testing::Receiver};

use crate::{
    each_store::{Database, Store},
    world::{World, builder, seconds},
};

pub(crate) const HOUR_MS: i64 = 3_600_000;

/// Lets the due loop notice the jump: it looks at the wall clock at least every 30 s.
pub(crate) async fn notice(world: &World) {
    world.pass(seconds(31)).await;
}

async fn a_jump_makes_nothing_due_early_and_nothing_due_late(store: Store) {
    for jump_ms in [HOUR_MS, -HOUR_MS, 24 * HOUR_MS, -24 * HOUR_MS] {
        let world = store.world().await;
        world.endpoint(|endpoint| endpoint).await;
        world.receiver.respond([500]);
        // Fewer than make the endpoint one in trouble.
        for index in 0..2 {
            world.send(&format!("e{index}")).await;
            world.webhooks.drain().await;
        }
        world.pass(seconds(6)).await;
        assert_eq!(
            world.receiver.requests().len(),
            4,
            "the first retry of each"
        );
        world.clock.jump_wall(jump_ms);
        notice(&world).await;
        world.pass(seconds(200)).await;
        assert_eq!(
            world.receiver.requests().len(),
            4,
            "no storm after {jump_ms} ms"
        );
        world.pass(seconds(120)).await;
        assert!(
            world.receiver.requests().len() > 4,
            "no stall after {jump_ms} ms"
        );
        let sent_at: i64 = world
            .receiver
            .requests()
            .pop()
            .unwrap()
            .header("webhook-timestamp")
            .parse()
            .unwrap();
        let wall = webhooks_core::Clock::wall(&*world.clock)
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        assert!(
            sent_at.abs_diff(i64::try_from(wall.as_secs()).unwrap()) < 2,
            "signed with the present wall clock"
        );
    }
}

async fn times_that_people_read_follow_the_wall_clock_after_a_jump(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500]);
    world.send("e").await;
    world.webhooks.drain().await;
    world.clock.jump_wall(-24 * HOUR_MS);
    notice(&world).await;
    let DeliveryState::Waiting { due_at } = world.state("e").await else {
        panic!()
    };
    let wait = due_at
        .duration_since(webhooks_core::Clock::wall(&*world.clock))
        .unwrap();
    assert!(wait < Duration::from_secs(600), "{wait:?}");
}

async fn a_clock_set_back_while_the_process_was_down_stalls_nothing(store: Store) {
    let Database { address, .. } = &store.database();
    let world = World::open(Arc::default(), address, |builder| builder).await;
    world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500, 200]);
    world.send("e").await;
    world.webhooks.drain().await;
    world.webhooks.shutdown(seconds(5)).await;
    world.clock.jump_wall(-24 * HOUR_MS);
    let webhooks = builder(&world.clock).open(address).await.unwrap();
    world.clock.advance(seconds(6));
    webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 2);
}

async fn a_lane_in_trouble_keeps_its_pace_through_a_jump(store: Store) {
    let world = store.world().await;
    let address = Receiver::start().await.unwrap().address();
    let id = world
        .webhooks
        .endpoints("acme")
        .add(format!("http://{address}/"))
        .await
        .unwrap()
        .id;
    for index in 0..20 {
        world.send(&format!("e{index}")).await;
    }
    world.webhooks.drain().await;
    let attempts = || async {
        let endpoints = world.webhooks.endpoints("acme");
        let page = endpoints
            .deliveries(&id, webhooks_core::DeliveryFilter::Pending, None, 100)
            .await
            .unwrap();
        page.deliveries
            .iter()
            .map(|delivery| delivery.attempts.len())
            .sum::<usize>()
    };
    let before = attempts().await;
    world.clock.jump_wall(24 * HOUR_MS);
    world.pass(seconds(61)).await;
    world.pass(seconds(61)).await;
    let after = attempts().await;
    assert!(
        (1..=3).contains(&(after - before)),
        "{before} attempts, then {after}"
    );
    world.clock.jump_wall(-48 * HOUR_MS);
    let receiver = Receiver::start_at(address).await.unwrap();
    for _ in 0..3 {
        world.pass(seconds(61)).await;
    }
    assert_eq!(receiver.requests().len(), 20);
}

for_each_store!(
    a_jump_makes_nothing_due_early_and_nothing_due_late,
    times_that_people_read_follow_the_wall_clock_after_a_jump,
    a_lane_in_trouble_keeps_its_pace_through_a_jump
);
for_each_durable_store!(a_clock_set_back_while_the_process_was_down_stalls_nothing);
