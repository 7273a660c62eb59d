//! Rotating a secret while events are sent: no delivery is refused by a receiver that knows
//! either secret.

#![cfg(all(feature = "testing", feature = "receive"))]

use webhooks_core::{Event, Secret, receive::Verifier};

use crate::{
    each_store::Store,
    world::{hours, seconds},
};

async fn rotation_under_load_is_accepted_by_receivers_that_know_either_secret(store: Store) {
    let world = store.world().await;
    let old = Secret::generate();
    let id = world
        .endpoint(|endpoint| endpoint.secret(old.clone()))
        .await;
    let webhooks = world.webhooks.clone();
    let load = tokio::spawn(async move {
        for index in 0..400 {
            webhooks
                .send("acme", Event::new("a", &index))
                .await
                .unwrap();
        }
    });
    world.receiver.wait_for(50).await;
    let new = world
        .webhooks
        .endpoints("acme")
        .rotate_secret(&id, None, hours(24))
        .await
        .unwrap();
    load.await.unwrap();
    let requests = world.receiver.wait_for(400).await;
    let knows_old = Verifier::standard([old.clone()]);
    let knows_new = Verifier::standard([new.clone()]);
    let knows_both = Verifier::standard([new, old]);
    let signed_by_both = requests
        .iter()
        .filter(|request| request.header("webhook-signature").contains(' '))
        .count();
    assert!(
        (1..400).contains(&signed_by_both),
        "the rotation fell into the load: {signed_by_both} of 400"
    );
    for request in &requests {
        knows_old.verify(&request.headers, &request.body).unwrap();
        knows_both.verify(&request.headers, &request.body).unwrap();
        if request.header("webhook-signature").contains(' ') {
            knows_new.verify(&request.headers, &request.body).unwrap();
        }
    }
}

async fn the_old_secret_signs_no_more_when_its_grace_is_over(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world
        .webhooks
        .endpoints("acme")
        .rotate_secret(&id, None, hours(1))
        .await
        .unwrap();
    world.send("within").await;
    world.receiver.wait_for(1).await;
    world.pass(hours(1) + seconds(1)).await;
    world.send("after").await;
    let requests = world.receiver.wait_for(2).await;
    assert_eq!(
        requests[0].header("webhook-signature").split(' ').count(),
        2
    );
    assert_eq!(
        requests[1].header("webhook-signature").split(' ').count(),
        1
    );
}

async fn an_attempt_is_signed_at_its_own_time_under_the_same_id(store: Store) {
    let world = store.world().await;
    world
        .endpoint(|endpoint| endpoint.secret(Secret::generate_ed25519()))
        .await;
    world.receiver.respond([500, 200]);
    world.send("a").await;
    world.webhooks.drain().await;
    world.pass(seconds(6)).await;
    let requests = world.receiver.requests();
    let [first, second] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    let time = |request: &webhooks_core::testing::ReceivedRequest| -> i64 {
        request.header("webhook-timestamp").parse().unwrap()
    };
    assert_eq!(time(second) - time(first), 6);
    assert!(first.header("webhook-signature").starts_with("v1a,"));
    assert_ne!(
        first.header("webhook-signature"),
        second.header("webhook-signature")
    );
}

async fn a_second_set_of_headers_serves_a_receiver_that_moves(store: Store) {
    let world = store.world().await;
    let legacy =
        webhooks_core::signature::LegacySignature::parse("github", "It's a Secret to Everybody")
            .unwrap();
    world.endpoint(|endpoint| endpoint.also_sign(&legacy)).await;
    world.send("a").await;
    let request = world.receiver.wait_for(1).await.remove(0);
    assert!(request.header("webhook-signature").starts_with("v1,"));
    let github = Verifier::github(["It's a Secret to Everybody".parse().unwrap()]);
    github.verify(&request.headers, &request.body).unwrap();
}

for_each_store!(
    rotation_under_load_is_accepted_by_receivers_that_know_either_secret,
    the_old_secret_signs_no_more_when_its_grace_is_over,
    an_attempt_is_signed_at_its_own_time_under_the_same_id,
    a_second_set_of_headers_serves_a_receiver_that_moves
);
