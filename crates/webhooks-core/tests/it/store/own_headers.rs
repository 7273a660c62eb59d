//! Headers that an endpoint brings, and those that it cannot: each header is sent once.

use webhooks_core::{EndpointChange, EndpointError, NewEndpoint, signature::LegacySignature};

use crate::each_store::Store;

fn legacy(format: &str) -> LegacySignature {
    LegacySignature::parse(format, "It's a Secret to Everybody").unwrap()
}

async fn a_header_that_would_be_sent_twice_is_refused_with_the_reason(store: Store) {
    let world = store.world().await;
    let url = world.receiver.url();
    let with_user = url.replace("http://", "http://key@");
    let new = || NewEndpoint::new(&url);
    for (endpoint, refusal) in [
        (
            new()
                .also_sign(&legacy("github"))
                .header("X-Hub-Signature-256", "sha256=mine"),
            "header \"x-hub-signature-256\" would be sent twice: it carries the second signature",
        ),
        (
            new()
                .also_sign(&legacy("hex:x-sig"))
                .header("X-Sig", "mine"),
            "header \"x-sig\" would be sent twice: it carries the second signature",
        ),
        (
            NewEndpoint::new(&with_user).header("Authorization", "Bearer mine"),
            "header \"authorization\" would be sent twice: it carries the URL's user and password",
        ),
        (
            new().header("X-Key", "1").header("x-key", "2"),
            "header \"x-key\" would be sent twice: it is already set",
        ),
        (
            new().header("Content-Type", "text/plain"),
            "header \"content-type\" cannot be an endpoint's own: \
             it describes the body, which is the event as JSON",
        ),
        (
            new().header("webhook-id", "mine"),
            "header \"webhook-id\" cannot be an endpoint's own: \
             it belongs to the signature of Standard Webhooks",
        ),
    ] {
        let refused = world.webhooks.endpoints("acme").add(endpoint).await;
        match refused {
            Err(EndpointError::Settings(error)) => assert_eq!(error.to_string(), refusal),
            other => panic!("expected {refusal}, got {other:?}"),
        }
    }
}

#[test]
fn no_signature_goes_where_another_header_belongs() {
    for name in [
        "host",
        "content-type",
        "transfer-encoding",
        "connection",
        "authorization",
        "webhook-signature",
        "Content-Length",
    ] {
        let refused = LegacySignature::parse(&format!("hex:{name}"), "secret").unwrap_err();
        let text = refused.to_string();
        assert!(
            text.starts_with(&format!("a signature cannot go into the header `{name}`: ")),
            "{text}"
        );
    }
}

/// A signature that was put together by hand is checked all the same.
async fn a_second_signature_in_the_host_header_is_refused_at_registration(store: Store) {
    let world = store.world().await;
    let by_hand = match legacy("hex:x-sig") {
        LegacySignature::Body {
            prefix,
            encoding,
            secret,
            ..
        } => LegacySignature::Body {
            header: http::header::HOST,
            prefix,
            encoding,
            secret,
        },
        other => panic!("{other:?}"),
    };
    let endpoint = NewEndpoint::new(world.receiver.url()).also_sign(&by_hand);
    let refused = world.webhooks.endpoints("acme").add(endpoint).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("\"hex:host\""), "{text}");
    assert!(text.contains("it is the URL's host"), "{text}");
}

async fn own_headers_a_second_signature_and_a_lone_user_arrive_once_each(store: Store) {
    let world = store.world().await;
    let url = world.receiver.url().replace("http://", "http://key@");
    let endpoint = NewEndpoint::new(url)
        .also_sign(&legacy("github"))
        .header("X-Api-Key", "k")
        .header("Accept", "application/json");
    world
        .webhooks
        .endpoints("acme")
        .add(endpoint)
        .await
        .unwrap();
    world.send("e").await;
    let requests = world.receiver.wait_for(1).await;
    let headers = &requests[0].headers;
    for (name, value) in [
        ("authorization", "Basic a2V5Og=="),
        ("x-api-key", "k"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("webhook-id", "e"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    for name in ["host", "x-hub-signature-256", "webhook-signature"] {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
}

/// What is fine by itself and not beside what is there already.
async fn a_change_cannot_make_a_header_be_sent_twice(store: Store) {
    let world = store.world().await;
    let endpoint = NewEndpoint::new(world.receiver.url()).header("Authorization", "Bearer k");
    let endpoints = world.webhooks.endpoints("acme");
    let id = endpoints.add(endpoint).await.unwrap().id;
    let with_user = world.receiver.url().replace("http://", "http://key@");
    for (change, name) in [
        (EndpointChange::new().url(&with_user), "authorization"),
        (
            EndpointChange::new()
                .also_sign(&legacy("hex:x-sig"))
                .header("X-Sig", "mine"),
            "x-sig",
        ),
    ] {
        let refused = endpoints.edit(&id, change).await.unwrap_err().to_string();
        let expected = format!("header \"{name}\" would be sent twice");
        assert!(refused.contains(&expected), "{refused}");
    }
    let change = EndpointChange::new()
        .url(&with_user)
        .without_header("Authorization");
    endpoints.edit(&id, change).await.unwrap();
}

for_each_store!(
    a_header_that_would_be_sent_twice_is_refused_with_the_reason,
    a_second_signature_in_the_host_header_is_refused_at_registration,
    own_headers_a_second_signature_and_a_lone_user_arrive_once_each,
    a_change_cannot_make_a_header_be_sent_twice
);
