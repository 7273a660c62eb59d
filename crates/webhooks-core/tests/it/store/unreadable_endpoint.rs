//! An endpoint whose stored secrets are damaged is its own trouble: other endpoints get their
//! retries, and other customers their answers.

use std::{sync::Arc, time::Duration};

use webhooks_core::{
    DeliveryState, EndReason, EndpointId, Event, NewEndpoint, SendError, StoreError,
    testing::Receiver,
};

use crate::{
    each_store::{Database, Store},
    world::{World, outside::Outside, seconds},
};

async fn open(address: &str) -> World {
    World::open(Arc::default(), address, |builder| builder).await
}

/// Makes what is stored as the secret of a customer's endpoint unreadable.
async fn damage_secret(address: &str, customer: &str) {
    let outside = Outside::at(address);
    let damage = format!(
        "update webhooks_endpoint_secret set secret = {}
         where endpoint_key in (select key from webhooks_endpoint where customer = '{customer}')",
        outside.bytes(&[0])
    );
    assert_eq!(outside.change(&damage).await, 1);
}

/// A database with "broken" and "acme", one endpoint each; `owed` is sent to both and fails once.
async fn broken_and_acme(address: &str, owed: bool, ordered: bool) -> Receiver {
    let world = open(address).await;
    // "acme" has the newest endpoint, whose secret is looked at when it is opened.
    let receiver = Receiver::start().await.unwrap();
    for customer in ["broken", "acme"] {
        let endpoint = NewEndpoint::new(receiver.url()).ordered(ordered);
        world
            .webhooks
            .endpoints(customer)
            .add(endpoint)
            .await
            .unwrap();
    }
    if owed {
        receiver.respond_to("broken", [500, 200]);
        receiver.respond_to("acme", [500, 200]);
        for customer in ["broken", "acme"] {
            let event = Event::new("random_number:generate", &1).id(customer);
            world.webhooks.send(customer, event).await.unwrap();
            world.webhooks.drain().await;
        }
    }
    world.webhooks.shutdown(seconds(5)).await;
    damage_secret(address, "broken").await;
    receiver
}

async fn others_get_their_retries(store: Store) {
    for ordered in [false, true] {
        let Database { address, .. } = &store.database();
        let receiver = broken_and_acme(address, true, ordered).await;
        let world = open(address).await;
        world.clock.advance(seconds(60));
        let done = tokio::time::timeout(seconds(10), world.webhooks.drain());
        done.await.expect("the due loop goes on");
        let deliveries = world.webhooks.deliveries("acme", "acme");
        let state = deliveries.await.unwrap().remove(0).state;
        assert!(
            matches!(state, DeliveryState::Delivered { .. }),
            "acme's retry is made: {state:?}"
        );
        assert_eq!(receiver.event_ids(), ["broken", "acme", "acme"]);
        assert_eq!(
            world.webhooks.pending().await.unwrap(),
            1,
            "broken's is kept"
        );
        world.webhooks.shutdown(seconds(5)).await;
    }
}

async fn others_that_send_in_the_same_commit_are_answered_for_themselves(store: Store) {
    let Database { address, .. } = &store.database();
    let receiver = broken_and_acme(address, false, false).await;
    let world = open(address).await;
    let release = world.hold_writer().await;
    let send = |customer: &'static str| {
        let event = Event::new("random_number:generate", &1).id(customer);
        world.webhooks.send(customer, event)
    };
    let (before, broken, after, ()) =
        tokio::join!(biased; send("acme"), send("broken"), send("nobody"), async { drop(release) });
    assert!(
        matches!(broken, Err(SendError::Store(StoreError::Damaged(_)))),
        "{broken:?}"
    );
    before.unwrap();
    after.unwrap();
    receiver.wait_for(1).await;
    // It was refused whole: it can be sent again once the endpoint is mended.
    assert!(
        world
            .webhooks
            .deliveries("broken", "broken")
            .await
            .unwrap()
            .is_empty()
    );
}

/// The only endpoint of "broken", as a person finds it: the error names it.
async fn broken_id(world: &World) -> EndpointId {
    let refused = world.webhooks.endpoints("broken").list().await.unwrap_err();
    let said = refused.to_string();
    let id = said
        .split("(endpoint ")
        .nth(1)
        .and_then(|rest| rest.strip_suffix(')'));
    EndpointId::from(id.unwrap_or_else(|| panic!("it is not named: {said}")))
}

async fn it_can_be_removed(store: Store) {
    let Database { address, .. } = &store.database();
    broken_and_acme(address, true, false).await;
    let world = open(address).await;
    let id = broken_id(&world).await;
    let endpoints = world.webhooks.endpoints("broken");
    endpoints.remove(&id).await.unwrap();
    assert!(endpoints.list().await.unwrap().is_empty());
    world.pass_in_steps(seconds(31), 3).await;
    let state = world.webhooks.deliveries("broken", "broken").await.unwrap();
    assert!(
        matches!(
            state[0].state,
            DeliveryState::Ended {
                reason: EndReason::Removed,
                ..
            }
        ),
        "{state:?}"
    );
    let event = Event::new("random_number:generate", &1);
    assert_eq!(
        world
            .webhooks
            .send("broken", event)
            .await
            .unwrap()
            .deliveries,
        0
    );
}

async fn with_a_new_secret_it_gets_what_it_is_owed(store: Store) {
    for ordered in [false, true] {
        let Database { address, .. } = &store.database();
        let receiver = broken_and_acme(address, true, ordered).await;
        let world = open(address).await;
        world.pass(seconds(60)).await;
        let id = broken_id(&world).await;
        let endpoints = world.webhooks.endpoints("broken");
        let secret = endpoints.rotate_secret(&id, None, Duration::ZERO);
        secret.await.unwrap();
        world.pass(seconds(60)).await;
        assert_eq!(world.webhooks.pending().await.unwrap(), 0);
        assert_eq!(receiver.event_ids(), ["broken", "acme", "acme", "broken"]);
        world.webhooks.shutdown(seconds(5)).await;
    }
}

/// A value of a column.
enum Stored<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
    Unsealed(&'a str),
}

/// Changes one stored value of the only endpoint of a database; returns what is said of it.
async fn said_of(store: Store, column: &str, value: Stored<'_>) -> (String, String) {
    let Database { address, .. } = &store.database();
    let world = open(address).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.shutdown(seconds(5)).await;
    let outside = Outside::at(address);
    let value = match value {
        Stored::Text(text) => format!("'{text}'"),
        Stored::Bytes(bytes) => outside.bytes(bytes),
        // The first byte says that the value is not sealed.
        Stored::Unsealed(json) => outside.bytes(&[&[0], json.as_bytes()].concat()),
    };
    let change = format!("update webhooks_endpoint set {column} = {value}");
    assert_eq!(outside.change(&change).await, 1);
    let world = open(address).await;
    let listed = world.webhooks.endpoints("acme").list().await.unwrap_err();
    let event = Event::new("random_number:generate", &1);
    let sent = world.webhooks.send("acme", event).await.unwrap_err();
    let id = format!(" (endpoint {id})");
    let said = |error: String| error.replace(&id, "");
    (said(listed.to_string()), said(sent.to_string()))
}

async fn a_damaged_setting_is_an_error_and_no_default(store: Store) {
    let settings = Stored::Unsealed;
    for (column, value, what) in [
        ("event_types", Stored::Text("damaged"), "its event types"),
        ("state", Stored::Text("damaged"), "its state"),
        ("url", Stored::Bytes(&[0]), "its URL"),
        ("settings", settings("{"), "its settings"),
        (
            "settings",
            settings(r#"{"retry_waits_s":[-1.0]}"#),
            "its retry schedule",
        ),
        (
            "settings",
            settings(r#"{"headers":[["a b","c"]]}"#),
            "one of its own headers",
        ),
        (
            "settings",
            settings(r#"{"also_sign":["unknown","secret"]}"#),
            "its second signature",
        ),
    ] {
        let (listed, sent) = said_of(store, column, value).await;
        assert_eq!(listed, format!("stored data is damaged: {what}"));
        assert_eq!(sent, listed);
    }
}

async fn a_damaged_secret_is_listed_and_can_be_ended(store: Store) {
    let Database { address, .. } = &store.database();
    let world = open(address).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let endpoints = world.webhooks.endpoints("acme");
    let grace = Duration::from_secs(24 * 3600);
    endpoints.rotate_secret(&id, None, grace).await.unwrap();
    world.webhooks.shutdown(seconds(5)).await;
    let outside = Outside::at(address);
    let damage = format!(
        "update webhooks_endpoint_secret set secret = {} where number = 1",
        outside.bytes(&[0])
    );
    assert_eq!(outside.change(&damage).await, 1);
    let world = open(address).await;
    let endpoints = world.webhooks.endpoints("acme");
    let secrets = endpoints.secrets(&id).await.unwrap();
    assert_eq!(secrets.len(), 2);
    assert!(secrets[0].kind.is_some() && secrets[1].kind.is_none());
    endpoints.end_secret(&id, 1).await.unwrap();
    let event = Event::new("random_number:generate", &1);
    let sent = world.webhooks.send("acme", event).await.unwrap();
    assert_eq!(sent.deliveries, 1);
}

async fn a_damaged_outcome_is_an_error_and_no_other_outcome(store: Store) {
    for (damage, what) in [
        (
            "update webhooks_attempt set failure = 'damaged'",
            "stored data is damaged: the failure of attempt 1",
        ),
        (
            "update webhooks_ending set reason = 'damaged'",
            "stored data is damaged: why a delivery ended: \"damaged\"",
        ),
    ] {
        let Database { address, .. } = &store.database();
        let world = open(address).await;
        let id = world.endpoint(|endpoint| endpoint).await;
        world.receiver.respond([400]);
        world.send("a").await;
        world.webhooks.drain().await;
        world
            .webhooks
            .endpoints("acme")
            .cancel(&id, "a")
            .await
            .unwrap();
        assert_eq!(Outside::at(address).change(damage).await, 1);
        let error = world.webhooks.deliveries("acme", "a").await.unwrap_err();
        assert_eq!(error.to_string(), what);
        world.webhooks.shutdown(seconds(5)).await;
    }
}

for_each_durable_store!(
    others_get_their_retries,
    others_that_send_in_the_same_commit_are_answered_for_themselves,
    it_can_be_removed,
    with_a_new_secret_it_gets_what_it_is_owed,
    a_damaged_setting_is_an_error_and_no_default,
    a_damaged_secret_is_listed_and_can_be_ended,
    a_damaged_outcome_is_an_error_and_no_other_outcome
);
