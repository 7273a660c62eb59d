//! What people do to endpoints does what it says, and nothing besides.

use std::{num::NonZeroU32, time::Duration};

use webhooks_core::{
    DeliveryState, EndpointChange, EndpointError, EndpointId, EndpointSettingsError, EndpointState,
    Event, NewEndpoint, Outcome, RetrySchedule, Secret, SecretKind, TestError,
    signature::LegacySignature,
    testing::{Answer, Receiver},
};

use crate::{
    each_store::Store,
    world::{World, gate::Gate, hours, seconds},
};

async fn state(world: &World, id: &EndpointId) -> EndpointState {
    let endpoint = world.webhooks.endpoints("acme").get(id).await.unwrap();
    endpoint.state
}

async fn a_customers_resume_does_not_enable_what_the_operator_disabled(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    endpoints.disable(&id, "sends spam").await.unwrap();
    let disabled = EndpointState::Disabled {
        reason: "sends spam".to_owned(),
    };
    for refused in [endpoints.resume(&id).await, endpoints.pause(&id).await] {
        let said = refused.unwrap_err().to_string();
        assert_eq!(
            said,
            format!("endpoint {id} is disabled (sends spam); enable it first")
        );
        assert_eq!(state(&world, &id).await, disabled);
    }
    endpoints.enable(&id).await.unwrap();
    assert_eq!(state(&world, &id).await, EndpointState::Active);
}

async fn enabling_does_not_end_a_pause(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.pause(&id).await.unwrap();
    let refused = endpoints.enable(&id).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("endpoint {id} is paused, not disabled; resume it")
    );
    assert_eq!(state(&world, &id).await, EndpointState::Paused);
}

async fn a_change_that_is_made_already_is_no_error(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.resume(&id).await.unwrap();
    endpoints.enable(&id).await.unwrap();
    endpoints.pause(&id).await.unwrap();
    endpoints.pause(&id).await.unwrap();
    assert_eq!(state(&world, &id).await, EndpointState::Paused);
}

async fn a_reason_that_says_nothing_or_too_much_is_refused(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    for reason in ["", " ", "a\nb", &"x".repeat(257)] {
        let refused = endpoints.disable(&id, reason).await.unwrap_err();
        assert!(
            matches!(
                refused,
                EndpointError::Settings(EndpointSettingsError::DisableReason(_))
            ),
            "{refused}"
        );
    }
    assert_eq!(state(&world, &id).await, EndpointState::Active);
}

async fn an_answer_of_410_does_not_replace_the_reason_of_a_person(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let id = endpoints.add(url).await.unwrap().id;
    world.send("a").await;
    gate.wait_for(1).await;
    endpoints.disable(&id, "sends spam").await.unwrap();
    gate.open("a", 410);
    world.webhooks.drain().await;
    assert_eq!(
        state(&world, &id).await,
        EndpointState::Disabled {
            reason: "sends spam".to_owned()
        }
    );
}

async fn an_answer_of_410_does_not_bring_a_removed_endpoint_back(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let endpoints = world.webhooks.endpoints("acme");
    let id = endpoints.add(url).await.unwrap().id;
    world.send("a").await;
    gate.wait_for(1).await;
    endpoints.remove(&id).await.unwrap();
    gate.open("a", 410);
    world.webhooks.drain().await;
    assert_eq!(endpoints.list().await.unwrap(), []);
}

/// An endpoint of which everything is set.
async fn with_all_settings(world: &World) -> EndpointId {
    let github = LegacySignature::parse("github", "It's a Secret to Everybody").unwrap();
    let url = world
        .receiver
        .url()
        .replace("http://", "http://user:secret@");
    let endpoint = NewEndpoint::new(url)
        .event_types(["random_number:*"])
        .in_flight(3)
        .per_second(NonZeroU32::new(5).unwrap())
        .retry(&RetrySchedule::new([seconds(7)]).unwrap())
        .header("X-Api-Key", "planted")
        .also_sign(&github);
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.add(endpoint).await.unwrap().id
}

async fn moving_an_endpoint_does_not_lose_its_rate_limit_headers_and_schedule(store: Store) {
    let world = store.world().await;
    let id = with_all_settings(&world).await;
    let endpoints = world.webhooks.endpoints("acme");
    let before = endpoints.settings(&id).await.unwrap();
    assert_eq!(before.in_flight, Some(3));
    assert_eq!(before.per_second, NonZeroU32::new(5));
    assert_eq!(
        before.retry,
        Some(RetrySchedule::new([seconds(7)]).unwrap())
    );
    assert_eq!(before.headers[0].name(), "X-Api-Key");
    assert_eq!(before.headers[0].expose(), "planted");
    assert!(before.also_sign.is_some());
    assert!(!format!("{before:?}").contains("planted"), "{before:?}");

    let other = Receiver::start().await.unwrap();
    let moved = EndpointChange::new().url(other.url());
    let endpoint = endpoints.edit(&id, moved).await.unwrap();
    assert_eq!(endpoint.url, other.url());
    assert_eq!(endpoint.event_types, ["random_number:*"]);
    assert_eq!(endpoints.settings(&id).await.unwrap(), before);
    world.send("a").await;
    let request = other.wait_for(1).await.remove(0);
    assert_eq!(request.header("x-api-key"), "planted");
    assert!(!request.header("x-hub-signature-256").is_empty());
}

async fn the_url_as_it_is_listed_keeps_its_credentials(store: Store) {
    let world = store.world().await;
    let id = with_all_settings(&world).await;
    let endpoints = world.webhooks.endpoints("acme");
    let shown = endpoints.get(&id).await.unwrap().url;
    assert!(shown.contains("***@"), "{shown}");
    let change = EndpointChange::new().url(&*shown).event_types(["*"]);
    endpoints.edit(&id, change).await.unwrap();
    world.send("a").await;
    let request = world.receiver.wait_for(1).await.remove(0);
    assert_eq!(request.header("authorization"), "Basic dXNlcjpzZWNyZXQ=");
}

async fn what_is_named_is_set_replaced_and_put_back_to_its_default(store: Store) {
    let world = store.world().await;
    let id = with_all_settings(&world).await;
    let endpoints = world.webhooks.endpoints("acme");
    let change = EndpointChange::new()
        .in_flight(None)
        .per_second(None)
        .retry(None)
        .also_sign(None)
        .header("x-api-key", "second")
        .header("X-Other", "o");
    endpoints.edit(&id, change).await.unwrap();
    let settings = endpoints.settings(&id).await.unwrap();
    assert_eq!(
        (settings.in_flight, settings.per_second, settings.retry),
        (None, None, None)
    );
    assert_eq!(settings.also_sign, None);
    let headers: Vec<_> = settings
        .headers
        .iter()
        .map(|header| (header.name(), header.expose()))
        .collect();
    assert_eq!(headers, [("x-api-key", "second"), ("X-Other", "o")]);
    let without = EndpointChange::new()
        .without_header("X-API-KEY")
        .in_flight(9);
    endpoints.edit(&id, without).await.unwrap();
    let settings = endpoints.settings(&id).await.unwrap();
    assert_eq!(settings.headers.len(), 1);
    assert_eq!(settings.in_flight, Some(9));
}

async fn an_edit_that_is_refused_changes_nothing(store: Store) {
    let world = store.world().await;
    let id = with_all_settings(&world).await;
    let endpoints = world.webhooks.endpoints("acme");
    let before = (
        endpoints.get(&id).await.unwrap(),
        endpoints.settings(&id).await.unwrap(),
    );
    for refused in [
        EndpointChange::new().in_flight(9).url("http://10.0.0.1/"),
        EndpointChange::new().in_flight(0),
        EndpointChange::new().in_flight(9).event_types(["a*b"]),
        EndpointChange::new().in_flight(9).header("Host", "x"),
        EndpointChange::new()
            .in_flight(9)
            .header("x", "y".repeat(5_000)),
    ] {
        let error = endpoints.edit(&id, refused).await.unwrap_err();
        assert!(
            matches!(
                error,
                EndpointError::Address(_) | EndpointError::Settings(_)
            ),
            "{error}"
        );
    }
    let after = (
        endpoints.get(&id).await.unwrap(),
        endpoints.settings(&id).await.unwrap(),
    );
    assert_eq!(before, after);
}

async fn eight_rotations_do_not_lock_a_customer_out_for_a_day(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    for minute in 0..7 {
        world.clock.advance(seconds(60));
        let secret = (minute == 6).then(Secret::generate_ed25519);
        endpoints
            .rotate_secret(&id, secret, hours(24))
            .await
            .unwrap();
    }
    let refused = endpoints.rotate_secret(&id, None, hours(24)).await;
    assert!(matches!(refused, Err(EndpointError::TooManySecrets)));

    let secrets = endpoints.secrets(&id).await.unwrap();
    let numbers: Vec<u32> = secrets.iter().map(|secret| secret.number).collect();
    assert_eq!(numbers, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(secrets[0].kind, Some(SecretKind::Signing));
    assert_eq!(secrets[1].kind, Some(SecretKind::Symmetric));
    assert_eq!(secrets[0].expires_at, None);
    let (newest, first) = (
        secrets[0].created_at.unwrap(),
        secrets[7].created_at.unwrap(),
    );
    assert_eq!(newest.duration_since(first).unwrap(), seconds(7 * 60));
    let grace = secrets[7]
        .expires_at
        .unwrap()
        .duration_since(first)
        .unwrap();
    assert_eq!(grace, seconds(60) + hours(24));

    endpoints.end_secret(&id, 3).await.unwrap();
    let unknown = endpoints.end_secret(&id, 3).await.unwrap_err();
    assert_eq!(
        unknown.to_string(),
        format!("endpoint {id} has no secret 3")
    );
    let newest = endpoints.end_secret(&id, 8).await.unwrap_err();
    assert!(
        matches!(newest, EndpointError::NewestSecret { number: 8, .. }),
        "{newest}"
    );
    endpoints.rotate_secret(&id, None, hours(24)).await.unwrap();
}

async fn a_secret_that_was_ended_signs_no_more(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    endpoints.rotate_secret(&id, None, hours(24)).await.unwrap();
    world.send("both").await;
    world.receiver.wait_for(1).await;
    endpoints.end_secret(&id, 1).await.unwrap();
    world.send("one").await;
    let signatures: Vec<usize> = world
        .receiver
        .wait_for(2)
        .await
        .iter()
        .map(|request| request.header("webhook-signature").split(' ').count())
        .collect();
    assert_eq!(signatures, [2, 1]);
}

async fn secrets_whose_grace_is_over_do_not_count_against_a_rotation(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    for _ in 0..7 {
        endpoints
            .rotate_secret(&id, None, seconds(10))
            .await
            .unwrap();
    }
    // Before maintenance has removed them.
    world.clock.advance(seconds(11));
    endpoints
        .rotate_secret(&id, None, seconds(10))
        .await
        .unwrap();
    let numbers: Vec<u32> = endpoints
        .secrets(&id)
        .await
        .unwrap()
        .iter()
        .map(|secret| secret.number)
        .collect();
    assert_eq!(numbers, [9, 8]);
}

fn event(data: &str) -> Event {
    Event::new("random_number:generate", data)
}

async fn a_test_reaches_an_endpoint_that_filters_is_paused_or_disabled(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|new| new.event_types(["letters:*"])).await;
    let endpoints = world.webhooks.endpoints("acme");
    world.receiver.respond([Answer::from(202)]);
    let attempt = endpoints
        .test(&id, event("filtered").id("t1"))
        .await
        .unwrap();
    assert_eq!((attempt.status, attempt.number), (Some(202), 1));
    assert_eq!(attempt.outcome, Outcome::Success);
    endpoints.pause(&id).await.unwrap();
    endpoints.test(&id, event("paused")).await.unwrap();
    endpoints.disable(&id, "by hand").await.unwrap();
    endpoints.test(&id, event("disabled")).await.unwrap();
    let requests = world.receiver.requests();
    let data: Vec<_> = requests
        .iter()
        .map(|request| request.json()["data"].clone())
        .collect();
    assert_eq!(data, ["filtered", "paused", "disabled"]);
    assert!(requests[0].header("webhook-signature").starts_with("v1,"));
}

async fn a_test_that_fails_is_told_and_changes_nothing(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    world.receiver.respond([410, 200]);
    let attempt = endpoints.test(&id, event("x").id("t1")).await.unwrap();
    assert_eq!(attempt.status, Some(410));
    assert_eq!(state(&world, &id).await, EndpointState::Active);
    assert_eq!(world.webhooks.event("acme", "t1").await.unwrap(), None);
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    world.send("a").await;
    world.webhooks.drain().await;
    assert!(matches!(
        world.state("a").await,
        DeliveryState::Delivered { .. }
    ));
}

async fn tests_are_bounded_and_end_with_the_engine(store: Store) {
    let world = store.world().await;
    let (gate, url) = Gate::start().await;
    let id = world.webhooks.endpoints("acme").add(url).await.unwrap().id;
    let tests: Vec<_> = (0..16)
        .map(|test| {
            let (webhooks, id) = (world.webhooks.clone(), id.clone());
            tokio::spawn(async move {
                let event = event("x").id(format!("t{test}"));
                webhooks.endpoints("acme").test(&id, event).await
            })
        })
        .collect();
    gate.wait_for(16).await;
    let endpoints = world.webhooks.endpoints("acme");
    let refused = endpoints.test(&id, event("x")).await;
    assert!(matches!(refused, Err(TestError::TooMany)), "{refused:?}");
    world.webhooks.shutdown(Duration::ZERO).await;
    for test in tests {
        let ended = test.await.unwrap();
        assert!(matches!(ended, Err(TestError::Closed)), "{ended:?}");
    }
}

async fn an_event_can_be_read_back_as_it_was_sent(store: Store) {
    let world = store.world().await;
    let sent = Event::new("random_number:generate", &863).id("a");
    world.webhooks.send("acme", sent).await.unwrap();
    let event = world.webhooks.event("acme", "a").await.unwrap().unwrap();
    assert_eq!(event.event_type, "random_number:generate");
    assert_eq!(
        String::from_utf8(event.body).unwrap(),
        r#"{"id":"a","event":"random_number:generate","data":863}"#
    );
    assert_eq!(world.webhooks.event("other", "a").await.unwrap(), None);
}

for_each_store!(
    a_customers_resume_does_not_enable_what_the_operator_disabled,
    enabling_does_not_end_a_pause,
    a_change_that_is_made_already_is_no_error,
    a_reason_that_says_nothing_or_too_much_is_refused,
    an_answer_of_410_does_not_replace_the_reason_of_a_person,
    an_answer_of_410_does_not_bring_a_removed_endpoint_back,
    moving_an_endpoint_does_not_lose_its_rate_limit_headers_and_schedule,
    the_url_as_it_is_listed_keeps_its_credentials,
    what_is_named_is_set_replaced_and_put_back_to_its_default,
    an_edit_that_is_refused_changes_nothing,
    eight_rotations_do_not_lock_a_customer_out_for_a_day,
    a_secret_that_was_ended_signs_no_more,
    secrets_whose_grace_is_over_do_not_count_against_a_rotation,
    a_test_reaches_an_endpoint_that_filters_is_paused_or_disabled,
    a_test_that_fails_is_told_and_changes_nothing,
    tests_are_bounded_and_end_with_the_engine,
    an_event_can_be_read_back_as_it_was_sent
);
