//! Sending again by the API: what stays, what is changed, and where it may go.

use polis::{Listener, Settings};
use serde_json::{Value, json};

use crate::{
    api::call,
    wire::{client, say},
};

#[tokio::test]
async fn a_replay_is_the_same_request_with_what_was_set_and_signed_anew() {
    let listener = Listener::start().await.unwrap();
    let app = Listener::start().await.unwrap();
    let spec = json!({"verify":"standard","secrets":["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]});
    call(
        "PUT",
        listener.page_url() + "/api/scopes/default",
        Some(spec.clone()),
    )
    .await;
    call("PUT", app.page_url() + "/api/scopes/default", Some(spec)).await;
    say(
        &listener,
        b"POST /hooks?x=1 HTTP/1.1\r\nHost: h\r\nX-B: 1\r\nX-B: 2\r\nWebhook-Id: msg_1\r\nConnection: close\r\nContent-Length: 22\r\n\r\n{\"event\":\"a\",\"data\":8}",
    )
    .await;
    let replay = |body: Value| {
        call(
            "POST",
            listener.page_url() + "/api/requests/1/replay",
            Some(body),
        )
    };
    let (status, replayed) = replay(json!({"to": app.url()})).await;
    assert_eq!(
        (status, &replayed["status"]),
        (200, &json!(200)),
        "{replayed}"
    );
    let set = json!({"to": app.url() + "/other", "resign": true, "set": {"body.data": 1, "header.X-B": "3"}});
    let (status, replayed) = replay(set).await;
    assert_eq!(status, 200, "{replayed}");
    let received = app.wait_for(2).await.unwrap();
    assert_eq!(received[0].target(), "/hooks?x=1");
    assert_eq!(received[0].head.as_ref().unwrap().all("x-b").count(), 2);
    assert_eq!(received[1].target(), "/other");
    assert_eq!(received[1].body, r#"{"event":"a","data":1}"#);
    assert_eq!(received[1].header("x-b"), Some("3"));
    assert_eq!(
        received[1].diagnosis.as_ref().unwrap().text,
        "ok (secret 1 of 1)"
    );
    assert_eq!(received[1].delivery.as_ref().unwrap().id, "msg_1");
}

#[tokio::test]
async fn a_replay_keeps_every_byte_that_was_not_set() {
    let listener = Listener::start().await.unwrap();
    let app = Listener::start().await.unwrap();
    let url = listener.page_url() + "/api/requests/1/replay";
    let sent = client()
        .post(listener.url())
        .body("{ \"b\":1.0,\n\"a\" : [2, 3]}");
    sent.send().await.unwrap();
    // A value keeps the spelling of the call's own JSON.
    let wanted = format!(
        r#"{{"to": "{}", "set": {{"body.a.1": {{ "z":1e2, "y":1.50 }}, "body.c": "x"}}}}"#,
        app.url()
    );
    let asked = client()
        .post(&url)
        .header("content-type", "application/json")
        .body(wanted);
    assert_eq!(asked.send().await.unwrap().status(), 200);
    assert_eq!(
        app.wait_for(1).await.unwrap()[0].body,
        "{ \"b\":1.0,\n\"a\" : [2, { \"z\":1e2, \"y\":1.50 }],\n\"c\" : \"x\"}"
    );
    let set = json!({"to": app.url(), "set": {"body.b.c": 1, "other": 2}});
    let (status, told) = call("POST", url, Some(set)).await;
    assert_eq!(status, 422, "{told}");
    for part in ["body.b.c: body.b is a number", "other is neither body"] {
        assert!(told.to_string().contains(part), "{told}");
    }
}

#[tokio::test]
async fn replays_go_to_this_machine_or_to_urls_given_by_flag() {
    let listener = Listener::start_with(Settings {
        replay_to: vec!["http://127.0.0.1:1/hooks".parse().unwrap()],
        ..Settings::quiet()
    })
    .await
    .unwrap();
    client()
        .post(listener.url())
        .body("x")
        .send()
        .await
        .unwrap();
    for (to, status) in [
        ("http://example.com/", 403),
        ("http://169.254.169.254/", 403),
        ("http://[::ffff:169.254.169.254]/", 403),
        ("https://localhost/", 403),
        ("http://localhost.evil.example/", 403),
        ("ftp://localhost/", 422),
        ("nonsense", 422),
        // These may be tried, but nothing listens there.
        ("http://127.0.0.1:1/hooks/a", 502),
        ("http://localhost:1/", 502),
    ] {
        let url = listener.page_url() + "/api/requests/1/replay";
        let (answered, told) = call("POST", url, Some(json!({ "to": to }))).await;
        assert_eq!(answered, status, "{to}: {told}");
    }
}

#[tokio::test]
async fn a_replay_leaves_the_scopes_prefix_out_and_a_slash_is_a_path() {
    let listener = Listener::start().await.unwrap();
    let app = Listener::start().await.unwrap();
    let sent = client()
        .post(listener.url() + "/in/acme/hooks?a=1")
        .body("x");
    sent.send().await.unwrap();
    let port = app.url().rsplit(':').next().unwrap().to_owned();
    let own = listener.url();
    for to in [
        app.url(),
        app.url() + "/",
        format!("127.0.0.1:{port}"),
        port,
        own,
    ] {
        let url = listener.page_url() + "/api/requests/1/replay";
        let (status, told) = call("POST", url, Some(json!({ "to": to }))).await;
        assert_eq!(status, 200, "{to}: {told}");
    }
    let targets: Vec<_> = app
        .requests()
        .iter()
        .map(|record| record.target())
        .collect();
    assert_eq!(targets, ["/hooks?a=1", "/", "/hooks?a=1", "/hooks?a=1"]);
    // Sent back to where it was captured, it reaches its scope again.
    assert_eq!(&*listener.requests()[1].scope, "acme");
}
