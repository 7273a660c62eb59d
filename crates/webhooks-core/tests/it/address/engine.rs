//! The guard where it counts: in the engine, from registration to attempt.

use std::time::Duration;

use futures_util::StreamExt;
use webhooks_core::{ActivityKind, Event, Failure, Outcome, Webhooks};

use crate::{
    address::sentinel::{NO_CONTENT, Sentinel},
    each_store::{Database, Store},
};

/// Only a bound: the first attempt is made at once.
const DEADLINE: Duration = Duration::from_secs(30);

/// Sends one event to the customer's only endpoint and tells what came of the first attempt.
async fn first_attempt(webhooks: &Webhooks) -> Outcome {
    let mut activities = webhooks.subscribe();
    webhooks.send("acme", Event::new("a", &1)).await.unwrap();
    let attempted = async {
        loop {
            if let ActivityKind::Attempted { attempt, .. } = activities.next().await.unwrap().kind {
                return attempt.outcome;
            }
        }
    };
    tokio::time::timeout(DEADLINE, attempted).await.unwrap()
}

fn refusal(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failure(Failure::Address(text)) => text,
        outcome => panic!("{outcome:?}"),
    }
}

async fn a_forbidden_url_is_refused_at_registration_for_operators_with_the_way_out(store: Store) {
    let Database { address, .. } = &store.database();
    let webhooks = Webhooks::open(address).await.unwrap();
    let refused = webhooks.endpoints("acme").add("http://0x7f.1:9000/").await;
    let refused = refused.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "127.0.0.1 is not a public address; use a URL on the public internet"
    );
    // As `main` prints it.
    assert_eq!(
        format!("{refused:?}"),
        "127.0.0.1, which is loopback (127.0.0.0/8, RFC 1122); \
         add 127.0.0.0/8 to allow_networks if webhooks may go there"
    );
    assert!(webhooks.endpoints("acme").list().await.unwrap().is_empty());
}

async fn an_address_that_is_no_longer_allowed_is_refused_at_sending(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let Database { address, .. } = &store.database();

    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let generous = builder.open(address).await.unwrap();
    let url = format!("http://127.0.0.1:{}/", sentinel.port);
    generous.endpoints("acme").add(url).await.unwrap();
    generous.shutdown(DEADLINE).await;

    let strict = Webhooks::open(address).await.unwrap();
    let text = refusal(first_attempt(&strict).await);
    assert!(text.contains("add 127.0.0.0/8 to allow_networks"), "{text}");
    assert_eq!(sentinel.visits(), 0);
}

/// `localhost` may be registered as soon as some loopback address is allowed; which ones it stands
/// for shows when it is dialled, and 127.0.0.1 is one of them everywhere.
async fn a_name_is_refused_at_sending_for_what_it_resolves_to(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let builder = Webhooks::builder().allow_networks(["::1"]).unwrap();
    let Database { address, .. } = &store.database();
    let webhooks = builder.open(address).await.unwrap();
    let url = format!("http://localhost:{}/", sentinel.port);
    webhooks.endpoints("acme").add(url).await.unwrap();
    let text = refusal(first_attempt(&webhooks).await);
    assert_eq!(
        text,
        "localhost resolves to 127.0.0.1, which is loopback (127.0.0.0/8, RFC 1122); \
         add 127.0.0.0/8 to allow_networks if webhooks may go there"
    );
    assert_eq!(sentinel.visits(), 0);
}

async fn a_redirect_ends_the_attempt(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let receiver = Sentinel::start(format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n",
        sentinel.port
    ))
    .await;
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let Database { address, .. } = &store.database();
    let webhooks = builder.open(address).await.unwrap();
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    webhooks.endpoints("acme").add(url).await.unwrap();
    let outcome = first_attempt(&webhooks).await;
    assert_eq!(outcome, Outcome::Failure(Failure::Status(307)));
    assert_eq!((receiver.visits(), sentinel.visits()), (1, 0));
}

for_each_store!(
    a_forbidden_url_is_refused_at_registration_for_operators_with_the_way_out,
    a_name_is_refused_at_sending_for_what_it_resolves_to,
    a_redirect_ends_the_attempt
);
for_each_durable_store!(an_address_that_is_no_longer_allowed_is_refused_at_sending);
