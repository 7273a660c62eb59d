//! Paused, disabled, removed, failing: nothing is silently dropped.

use futures_util::StreamExt;
use webhooks_core::{
    ActivityKind, DeliveryFilter, DeliveryState, EndReason, EndpointChange, EndpointError,
    EndpointState, Event, Explanation, HoldReason, NewEndpoint, Replay, ReplayOutcome,
};

use crate::{
    each_store::Store,
    world::{
        gate::{Gate, let_others_run},
        hours, seconds,
    },
};

async fn a_paused_endpoint_keeps_its_events_until_it_is_resumed(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    world.send_all(["a", "b"].map(String::from)).await;
    world.webhooks.drain().await;
    world.pass(hours(200)).await;
    assert_eq!(world.receiver.requests().len(), 0);
    assert_eq!(
        world.state("a").await,
        DeliveryState::Held {
            reason: HoldReason::Paused,
            next_try: None
        }
    );
    endpoints.resume(&id).await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 2);
    world.send("c").await;
    world.receiver.wait_for(3).await;
}

async fn a_disabled_endpoint_records_its_events_and_a_replay_sends_them(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.disable(&id, "by hand").await.unwrap();
    world.send_all(["a", "b"].map(String::from)).await;
    world.webhooks.drain().await;
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Ended {
            reason: EndReason::Disabled,
            ..
        }
    ));
    let refused = endpoints.replay(&id, Replay::default()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("endpoint {id} is disabled; enable it first")
    );
    endpoints.enable(&id).await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(
        world.receiver.requests().len(),
        0,
        "enabling sends nothing by itself"
    );
    let dry = Replay {
        dry_run: true,
        ..Replay::default()
    };
    assert_eq!(endpoints.replay(&id, dry).await.unwrap(), 2);
    assert_eq!(endpoints.replay(&id, Replay::default()).await.unwrap(), 2);
    world.webhooks.drain().await;
    assert_eq!(world.receiver.requests().len(), 2);
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Delivered { .. }
    ));
    assert_eq!(
        endpoints.replay(&id, Replay::default()).await.unwrap(),
        0,
        "nothing is given up any more"
    );
}

async fn what_was_owed_when_an_endpoint_is_disabled_ends_with_the_reason(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint.ordered(true)).await;
    world.receiver.respond([500]);
    world
        .send_all((0..2_500).map(|index| format!("e{index}")).take(1_000))
        .await;
    world.webhooks.drain().await;
    world
        .webhooks
        .endpoints("acme")
        .disable(&id, "by hand")
        .await
        .unwrap();
    world.pass_in_steps(seconds(31), 4).await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    assert!(matches!(
        world.state("e999").await,
        DeliveryState::Ended {
            reason: EndReason::Disabled,
            ..
        }
    ));
}

async fn an_answer_of_410_disables_the_endpoint_and_says_so(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let activities = world.webhooks.subscribe();
    world.receiver.respond([410]);
    world.send("a").await;
    world.webhooks.drain().await;
    let endpoint = world.webhooks.endpoints("acme").get(&id).await.unwrap();
    let EndpointState::Disabled { reason } = endpoint.state else {
        panic!("{endpoint:?}")
    };
    assert_eq!(reason, "the receiver answered 410 Gone");
    let mut told = activities.filter(|activity| {
        std::future::ready(matches!(
            activity.kind,
            ActivityKind::EndpointDisabled { .. }
        ))
    });
    assert_eq!(told.next().await.unwrap().endpoint_id, id);
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Ended {
            reason: EndReason::Disabled,
            ..
        }
    ));
}

async fn an_endpoint_that_fails_for_five_days_is_disabled(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500]);
    let state = || async { world.webhooks.endpoints("acme").get(&id).await.unwrap() };
    for day in 0..5 {
        world.send(&format!("day{day}")).await;
        world.webhooks.drain().await;
        let endpoint = state().await;
        assert_eq!(endpoint.state, EndpointState::Active, "day {day}");
        assert!(endpoint.failing_since.is_some());
        world.pass_in_steps(hours(1), 24).await;
    }
    world.send("day5").await;
    world.webhooks.drain().await;
    world.pass(hours(1)).await;
    let EndpointState::Disabled { reason } = state().await.state else {
        panic!("it is still active")
    };
    assert_eq!(reason, "every attempt failed for 5 days");
}

async fn a_success_in_between_keeps_an_endpoint_enabled(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    for day in 0..8 {
        world
            .receiver
            .respond([if day % 3 == 0 { 200 } else { 500 }]);
        world.send(&format!("day{day}")).await;
        world.webhooks.drain().await;
        world.pass_in_steps(hours(6), 4).await;
    }
    let endpoint = world.webhooks.endpoints("acme").get(&id).await.unwrap();
    assert_eq!(endpoint.state, EndpointState::Active);
}

async fn a_change_at_the_moment_of_a_success_does_not_bring_the_failures_back(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let id = endpoints.add(NewEndpoint::new(&url)).await.unwrap().id;
    world.send("bad").await;
    gate.open("bad", 500);
    world.webhooks.drain().await;
    endpoints.cancel(&id, "bad").await.unwrap();
    world.pass(hours(5 * 24 - 1)).await;
    world.send("good").await;
    gate.wait_for(2).await;
    // The change is made before it is stored that the endpoint no longer fails.
    let before = world.hold_writer().await;
    let (held, release) = world.hold_writer_in_turn().await;
    let (changed, ()) = tokio::join!(
        biased;
        endpoints.edit(&id, EndpointChange::new().url(&url)),
        async {
            gate.open("good", 200);
            let_others_run().await;
            drop(before);
            held.await.unwrap();
            drop(release);
        },
    );
    changed.unwrap();
    world.webhooks.drain().await;
    world.pass(hours(2)).await;
    world.send("worse").await;
    gate.open("worse", 500);
    world.webhooks.drain().await;
    let endpoint = endpoints.get(&id).await.unwrap();
    assert_eq!(endpoint.state, EndpointState::Active);
}

async fn an_endpoint_that_is_enabled_again_has_five_days_again(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    world.receiver.respond([500]);
    world.send("a").await;
    world.webhooks.drain().await;
    world.pass_in_steps(hours(30), 5).await;
    let endpoint = endpoints.get(&id).await.unwrap();
    assert!(matches!(endpoint.state, EndpointState::Disabled { .. }));
    endpoints.enable(&id).await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(endpoints.get(&id).await.unwrap().failing_since, None);
    world.send("b").await;
    world.webhooks.drain().await;
    let endpoint = endpoints.get(&id).await.unwrap();
    assert_eq!(endpoint.state, EndpointState::Active);
}

async fn a_removed_endpoint_ends_what_it_was_owed(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([503]);
    world.send("a").await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.remove(&id).await.unwrap();
    assert_eq!(endpoints.list().await.unwrap(), []);
    assert!(matches!(
        endpoints.get(&id).await,
        Err(EndpointError::Unknown { .. })
    ));
    world.pass_in_steps(seconds(31), 3).await;
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Ended {
            reason: EndReason::Removed,
            ..
        }
    ));
    assert_eq!(
        world.delivery("a").await.attempts.len(),
        1,
        "its history stays readable"
    );
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

async fn every_event_and_endpoint_has_an_answer(store: Store) {
    let world = store.world().await;
    let numbers = world
        .endpoint(|endpoint| endpoint.event_types(["random_number:*"]))
        .await;
    let letters = world
        .endpoint(|endpoint| endpoint.event_types(["random_letter:generate"]))
        .await;
    world.send("a").await;
    world.webhooks.drain().await;
    world.clock.advance(seconds(1));
    let later = world.endpoint(|endpoint| endpoint).await;
    let explain = |event: &'static str, id| {
        let webhooks = world.webhooks.clone();
        async move { webhooks.explain("acme", event, &id).await.unwrap() }
    };
    let Explanation::Delivery(delivery) = explain("a", numbers.clone()).await else {
        panic!()
    };
    assert!(matches!(delivery.state, DeliveryState::Delivered { .. }));
    assert_eq!(
        explain("a", letters).await.to_string(),
        "filtered: the event is random_number:generate; the endpoint wants random_letter:generate"
    );
    assert!(matches!(
        explain("a", later.clone()).await,
        Explanation::AddedLater { .. }
    ));
    assert_eq!(
        explain("b", numbers.clone()).await,
        Explanation::NoSuchEvent
    );
    assert_eq!(
        explain("a", "ep_none".into()).await,
        Explanation::NoSuchEndpoint
    );
    let never = Replay {
        outcome: ReplayOutcome::NoDelivery,
        ..Replay::default()
    };
    assert_eq!(
        world
            .webhooks
            .endpoints("acme")
            .replay(&later, never)
            .await
            .unwrap(),
        1
    );
    world.webhooks.drain().await;
    assert!(matches!(
        explain("a", later).await,
        Explanation::Delivery(_)
    ));
}

async fn an_explanation_tells_what_the_last_attempt_met(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond([500, 410]);
    world.send("a").await;
    world.webhooks.drain().await;
    let explain = async || {
        let explained = world.webhooks.explain("acme", "a", &id).await;
        explained.unwrap().to_string()
    };
    let waiting = explain().await;
    assert!(
        waiting.starts_with("waiting until ")
            && waiting.ends_with("; attempt 1 failed: answered 500"),
        "{waiting}"
    );
    world.pass(seconds(6)).await;
    let ended = explain().await;
    assert!(
        ended.ends_with(
            ": the endpoint is disabled (the receiver answered 410 Gone); attempt 2 failed: answered 410"
        ),
        "{ended}"
    );
}

async fn an_endpoint_that_is_added_in_the_same_moment_was_added_later(store: Store) {
    let world = store.world().await;
    world.send("a").await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let explained = world.webhooks.explain("acme", "a", &id).await.unwrap();
    assert!(
        matches!(explained, Explanation::AddedLater { .. }),
        "{explained}"
    );
}

async fn customers_see_only_what_is_theirs(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("a").await;
    world.webhooks.drain().await;
    let other = world.webhooks.endpoints("other");
    assert!(matches!(
        other.get(&id).await,
        Err(EndpointError::Unknown { .. })
    ));
    assert!(other.pause(&id).await.is_err() && other.resend(&id, "a").await.is_err());
    assert_eq!(world.webhooks.deliveries("other", "a").await.unwrap(), []);
    assert_eq!(
        world.webhooks.explain("other", "a", &id).await.unwrap(),
        Explanation::NoSuchEvent
    );
    let sent = world
        .webhooks
        .send("other", Event::new("a", &2).id("a"))
        .await
        .unwrap();
    assert!(!sent.duplicate, "ids are the customer's own");
}

async fn deliveries_are_listed_in_pages(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.receiver.respond_to("e3", [400]);
    world
        .send_all((0..10).map(|index| format!("e{index}")))
        .await;
    world.webhooks.drain().await;
    let endpoints = world.webhooks.endpoints("acme");
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = endpoints
            .deliveries(&id, DeliveryFilter::All, cursor, 4)
            .await
            .unwrap();
        seen.extend(
            page.deliveries
                .into_iter()
                .map(|delivery| delivery.event_id),
        );
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<String> = (0..10).rev().map(|index| format!("e{index}")).collect();
    assert_eq!(seen, expected);
    for (listing, expected) in [
        (DeliveryFilter::Failed, 1),
        (DeliveryFilter::Pending, 1),
        (DeliveryFilter::Ended, 0),
    ] {
        let page = endpoints.deliveries(&id, listing, None, 4).await.unwrap();
        assert_eq!(page.deliveries.len(), expected, "{listing:?}");
    }
}

async fn an_endpoint_can_be_moved_to_another_url(store: Store) {
    let world = store.world().await;
    let other = webhooks_core::testing::Receiver::start().await.unwrap();
    let id = world.endpoint(|endpoint| endpoint).await;
    world.send("a").await;
    world.webhooks.drain().await;
    world
        .webhooks
        .endpoints("acme")
        .edit(&id, EndpointChange::new().url(other.url()))
        .await
        .unwrap();
    world.send("b").await;
    world.webhooks.drain().await;
    assert_eq!(
        (world.receiver.event_ids(), other.event_ids()),
        (vec!["a".to_owned()], vec!["b".to_owned()])
    );
}

for_each_store!(
    a_paused_endpoint_keeps_its_events_until_it_is_resumed,
    a_disabled_endpoint_records_its_events_and_a_replay_sends_them,
    what_was_owed_when_an_endpoint_is_disabled_ends_with_the_reason,
    an_answer_of_410_disables_the_endpoint_and_says_so,
    an_endpoint_that_fails_for_five_days_is_disabled,
    a_success_in_between_keeps_an_endpoint_enabled,
    a_change_at_the_moment_of_a_success_does_not_bring_the_failures_back,
    an_endpoint_that_is_enabled_again_has_five_days_again,
    a_removed_endpoint_ends_what_it_was_owed,
    every_event_and_endpoint_has_an_answer,
    an_explanation_tells_what_the_last_attempt_met,
    an_endpoint_that_is_added_in_the_same_moment_was_added_later,
    customers_see_only_what_is_theirs,
    deliveries_are_listed_in_pages,
    an_endpoint_can_be_moved_to_another_url
);
