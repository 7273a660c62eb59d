//! With `WEBHOOK_SECRET`, only signed webhooks are texted.

use axum::body::Body;
use http::{Request, StatusCode};
use webhooks_core::{Event, NewEndpoint, Secret, Webhooks, signature};

use crate::rig::{Rig, event};

fn signed(rig: &Rig, secrets: &[Secret], id: &str, body: &str) -> Request<Body> {
    let timestamp_s = rig.now().as_second();
    let value = signature::sign(secrets, id, timestamp_s, body.as_bytes());
    Request::post("/")
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", value)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn any_of_several_secrets_will_do_symmetric_or_public() {
    let (old, new) = (Secret::generate(), Secret::generate_ed25519());
    let list = format!("{}, {}", old.expose(), new.public_half().unwrap().expose());
    let rig = Rig::with(&[("WEBHOOK_SECRET", &list)]).await;
    for (id, secret) in [("a", old), ("b", new)] {
        let request = signed(&rig, &[secret], id, &event(id, 1));
        assert_eq!(rig.call(request).await.status, StatusCode::CREATED);
    }
    assert_eq!(rig.twilio.posts(), 2);
}

#[tokio::test]
async fn the_unsigned_the_forged_and_the_stale_get_the_same_answer() {
    let secret = Secret::generate();
    let rig = Rig::with(&[("WEBHOOK_SECRET", &secret.expose())]).await;
    let body = event("a", 1);
    let unsigned = crate::rig::json_post(&body);
    let forged = signed(&rig, &[Secret::generate()], "a", &body);
    let mut changed = signed(&rig, std::slice::from_ref(&secret), "a", &body);
    *changed.body_mut() = Body::from(event("a", 2));
    let stale = signed(&rig, &[secret], "a", &body);
    rig.pass(std::time::Duration::from_secs(301));
    for request in [unsigned, forged, changed, stale] {
        let answered = rig.call(request).await;
        assert_eq!(answered.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answered.body, r#"{"texted":false,"reason":"unauthorized"}"#);
    }
    assert_eq!(rig.twilio.posts(), 0);
}

#[tokio::test]
async fn the_signature_comes_before_the_body_is_read_and_after_its_size() {
    let rig = Rig::with(&[("WEBHOOK_SECRET", &Secret::generate().expose())]).await;
    assert_eq!(rig.post("{").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        rig.post(&" ".repeat(64 * 1024 + 1)).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let other_type = Request::post("/").body(Body::from("x")).unwrap();
    assert_eq!(rig.call(other_type).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_signed_event_without_an_id_of_its_own_is_known_by_the_signed_one() {
    let secret = Secret::generate();
    let rig = Rig::with(&[("WEBHOOK_SECRET", &secret.expose())]).await;
    let body = r#"{"event":"random_number:generate","data":1}"#;
    for _ in 0..2 {
        let request = signed(&rig, std::slice::from_ref(&secret), "msg_1", body);
        assert_eq!(rig.call(request).await.status, StatusCode::CREATED);
    }
    assert_eq!(rig.twilio.posts(), 1);
}

#[tokio::test]
async fn our_own_sender_is_understood() {
    let secret = Secret::generate();
    let rig = Rig::at_the_real_time(&[("WEBHOOK_SECRET", &secret.expose())]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = rig.app.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .open("sqlite::memory:")
        .await
        .unwrap();
    let endpoint = NewEndpoint::new(url).secret(secret);
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
    let event = Event::new("random_number:generate", &863);
    let sent = webhooks.send("acme", event).await.unwrap();
    rig.twilio.posted(1).await;
    let journey = format!("/texts/{}/events", sent.event_id);
    rig.read_until(&journey, "\"status\":\"queued\"").await;
    assert_eq!(rig.twilio.bodies(), ["Here's a random number: 863"]);
    webhooks.shutdown(std::time::Duration::from_secs(5)).await;
}
