//! The answers to senders, for testing how they handle them.

use std::time::{Duration, Instant};

use polis::{Listener, Preset, SigningSecret, ToSign, Verification, sign};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::wire::{DEADLINE, client, connect, read_to_end, read_until, rule, say};

const POST: &[u8] =
    b"POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";

async fn answering(json: &str) -> Listener {
    let listener = Listener::start().await.unwrap();
    listener.answer(rule(json)).unwrap();
    listener
}

#[tokio::test]
async fn the_body_and_its_type_are_echoed_for_every_origin() {
    let listener = Listener::start().await.unwrap();
    let answer = client()
        .post(listener.url() + "/any/path")
        .header("content-type", "application/json; charset=utf-8")
        .body("{\"a\":1}")
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    // An echo of HTML must not run where it was posted from.
    assert_eq!(answer.headers()["content-security-policy"], "sandbox");
    assert_eq!(answer.text().await.unwrap(), "{\"a\":1}");
}

#[tokio::test]
async fn get_root_says_up_and_running_and_head_has_no_body() {
    let listener = Listener::start().await.unwrap();
    let answer = client().get(listener.url()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "Up and Running!");
    let answer = say(
        &listener,
        b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.contains("Content-Length: 15\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

/// Everything at `GET /` was answered "Up and Running!", whatever else was meant.
#[tokio::test]
async fn get_root_with_a_query_a_signature_or_a_rule_is_a_request_like_others() {
    let listener = Listener::start().await.unwrap();
    let checked = |enforce| Verification {
        preset: Preset::GitHub,
        secrets: vec![SigningSecret::new("a-secret", Preset::GitHub).unwrap()],
        old_secrets: Vec::new(),
        public_url: None,
        enforce,
    };
    listener.verify(checked(true));
    let get = |path: &str| client().get(listener.url() + path);
    let statuses = [
        get("/").send().await.unwrap(),
        get("/?hub.challenge=115").send().await.unwrap(),
        get("/")
            .header("x-hub-signature-256", "sha256=00")
            .send()
            .await
            .unwrap(),
    ];
    assert_eq!(
        statuses.map(|answer| answer.status().as_u16()),
        [200, 401, 401]
    );
    let requests = listener.wait_for(3).await.unwrap();
    assert!(requests[0].diagnosis.is_none() && requests[1].diagnosis.is_some());

    listener.verify(checked(false));
    listener.respond([500]).unwrap();
    assert_eq!(get("/").send().await.unwrap().status(), 500);
    assert_eq!(
        client().head(listener.url()).send().await.unwrap().status(),
        500
    );
}

/// A polis that answers challenges and else 500, and enforces this preset's signatures.
async fn challenged(preset: &str, secret: &str) -> Listener {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: polis::Flags,
    }
    let flags = [
        "polis",
        "--challenge",
        "--respond",
        "500",
        "--verify",
        preset,
        "--enforce",
    ];
    let flags = Line::try_parse_from(flags).unwrap().flags;
    let around = polis::Surroundings::of(&[("POLIS_SECRETS", secret)], &[]);
    let settings = polis::Settings::read(flags, &around).unwrap();
    Listener::start_with(polis::Settings {
        default_scope: settings.default_scope,
        ..polis::Settings::quiet()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_challenge_whose_answer_is_computed_is_answered_with_the_providers_secret() {
    let discord = webhooks_core::Secret::generate_ed25519().expose();
    let json = "application/json";
    for (preset, secret, body, (status, kind, answer)) in [
        (
            Preset::Zoom,
            "zoom-secret",
            r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#,
            (
                200,
                json,
                r#"{"encryptedToken":"b17f0320a1322a509340a1a835b3d9edbc491f0b0790ed2d20d0604d39dfe922","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}"#,
            ),
        ),
        (
            Preset::Slack,
            "slack-secret",
            r#"{"type":"url_verification","challenge":"3eZb"}"#,
            (200, "text/plain", "3eZb"),
        ),
        (
            Preset::Discord,
            &discord,
            r#"{"type":1}"#,
            (200, json, r#"{"type":1}"#),
        ),
        (
            Preset::Discord,
            &discord,
            r#"{"type":0}"#,
            (204, "text/plain", ""),
        ),
    ] {
        let listener = challenged(&preset.to_string(), secret).await;
        let send = |secret: &str, body: &'static str| {
            let what = ToSign {
                id: "1",
                at: jiff::Timestamp::now(),
                url: "",
                content_type: Some(json),
                body: body.as_bytes(),
            };
            let secret = SigningSecret::new(secret, preset).unwrap();
            let mut request = client().post(listener.url()).body(body);
            for (name, value) in sign(preset, &secret, &what).unwrap() {
                request = request.header(name, value);
            }
            request.send()
        };
        let answered = send(secret, body).await.unwrap();
        assert_eq!(answered.status(), status, "{preset}");
        assert_eq!(answered.headers()["content-type"], kind, "{preset}");
        assert_eq!(answered.text().await.unwrap(), answer, "{preset}");
        // A question signed with another secret is refused, and what is not a question goes to the next rule.
        let other = match preset {
            Preset::Discord => &webhooks_core::Secret::generate_ed25519().expose(),
            _ => "another secret",
        };
        assert_eq!(send(other, body).await.unwrap().status(), 401, "{preset}");
        let event = send(secret, r#"{"type":2,"event":"x"}"#).await.unwrap();
        assert_eq!(event.status(), 500, "{preset}");
    }
}

#[tokio::test]
async fn a_providers_check_of_the_url_is_answered_with_its_challenge() {
    let listener = challenged("github", "a-secret").await;
    let slack = r#"{"type":"url_verification","challenge":"3eZb+/"}"#;
    let url = |path: &str| listener.url() + path;
    let client = client();
    for (request, value) in [
        (
            client.get(url("/?hub.mode=subscribe&hub.challenge=115%2B")),
            "115+",
        ),
        (
            client.post(url("/notify?validationToken=Validation%3A%20T")),
            "Validation: T",
        ),
        (client.get(url("/?challenge=d")), "d"),
        (client.post(url("/slack")).body(slack), "3eZb+/"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{value}");
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(answer.text().await.unwrap(), value);
    }
    // A wrongly signed challenge is not answered, and other requests are not challenges.
    let forged = client
        .get(url("/?challenge=d"))
        .header("x-hub-signature-256", "sha256=00");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    assert_eq!(client.post(url("/a")).send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_preflight_is_answered_without_asking_the_rules() {
    let listener = Listener::start().await.unwrap();
    listener.respond([500]).unwrap();
    let answer = client()
        .request(reqwest::Method::OPTIONS, listener.url() + "/a")
        .header("origin", "https://a.example")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()["access-control-allow-methods"], "*");
}

#[tokio::test]
async fn statuses_in_turn_are_counted_for_each_delivery() {
    let listener = Listener::start().await.unwrap();
    listener.respond([500, 500, 200]).unwrap();
    let client = client();
    let mut statuses = Vec::new();
    for id in ["a", "b", "a", "a", "b", "a"] {
        let answer = client
            .post(listener.url())
            .header("webhook-id", id)
            .send()
            .await
            .unwrap();
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [500, 500, 500, 200, 500, 200]);
    let requests = listener.wait_for(6).await.unwrap();
    let attempts: Vec<u32> = requests
        .iter()
        .map(|request| request.delivery.as_ref().unwrap().attempt)
        .collect();
    assert_eq!(attempts, [1, 1, 2, 3, 2, 4]);
    assert!(requests[2].delivery.as_ref().unwrap().gap_ms.is_some());
}

#[tokio::test]
async fn a_request_is_captured_before_polis_sleeps_and_a_hang_up_is_seen() {
    let listener = answering(r#"{"sleep":3600}"#).await;
    let mut stream = connect(&listener).await;
    stream.write_all(POST).await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    while listener.requests().is_empty() {
        assert!(Instant::now() < deadline, "the request is not captured");
        tokio::task::yield_now().await;
    }
    assert!(listener.requests()[0].answer().is_none());

    listener.answer(rule(r#"{"hang":true}"#)).unwrap();
    let mut second = connect(&listener).await;
    second.write_all(POST).await.unwrap();
    while listener.requests().len() < 2 {
        assert!(Instant::now() < deadline, "the request is not captured");
        tokio::task::yield_now().await;
    }
    drop(second);
    let requests = listener.wait_for(1).await.unwrap();
    let answer = requests[1].answer().unwrap();
    assert_eq!(answer.status, None);
    assert!(answer.hung_up_after.is_some());
}

#[tokio::test]
async fn a_hang_up_while_sleeping_is_seen_and_the_sleep_goes_on() {
    let listener = answering(r#"{"sleep":0.2}"#).await;
    let mut stream = connect(&listener).await;
    stream.write_all(POST).await.unwrap();
    drop(stream);
    let requests = listener.wait_for(1).await.unwrap();
    let answer = requests[0].answer().unwrap();
    assert!(answer.hung_up_after.unwrap() < Duration::from_millis(200));
    assert!(answer.after >= Duration::from_millis(200));
}

/// It was shown like an answer that was taken.
#[tokio::test]
async fn a_sender_that_hung_up_is_found_by_what_it_did() {
    let listener = answering(r#"{"path":"/late","hang":true}"#).await;
    client()
        .post(listener.url())
        .body("x")
        .send()
        .await
        .unwrap();
    let mut stream = connect(&listener).await;
    stream
        .write_all(
            &String::from_utf8_lossy(POST)
                .replace("/a", "/late")
                .into_bytes(),
        )
        .await
        .unwrap();
    while listener.requests().len() < 2 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    listener.wait_for(2).await.unwrap();
    let url = listener.page_url() + "/api/requests?status=hung-up";
    let (status, found) = crate::api::call("GET", url, None).await;
    assert_eq!(status, 200, "{found}");
    let found = found["requests"].as_array().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["id"], 2);
    let page = client().get(listener.page_url()).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(
        page.contains("<span class=\"why hung\">the client hung up at "),
        "{page}"
    );
}

#[tokio::test]
async fn a_client_that_only_closes_its_sending_side_has_not_hung_up() {
    let listener = answering(r#"{"sleep":0.05}"#).await;
    let mut stream = connect(&listener).await;
    stream.write_all(POST).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\nbody"), "{answer}");
    let requests = listener.wait_for(1).await.unwrap();
    let answer = requests[0].answer().unwrap();
    assert_eq!(answer.hung_up_after, None);
    assert!(answer.note.as_ref().unwrap().contains("sending side"));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let listener = answering(r#"{"reset":true}"#).await;
    let mut stream = connect(&listener).await;
    stream.write_all(POST).await.unwrap();
    let error = timeout(DEADLINE, stream.read(&mut [0; 16]))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn bodies_come_slowly_or_in_huge_amounts() {
    let listener = answering(r#"{"slow_body":0.01}"#).await;
    let begun = Instant::now();
    let answer = say(&listener, POST).await;
    assert!(answer.ends_with("\r\n\r\nbody"), "{answer}");
    assert!(begun.elapsed() >= Duration::from_millis(40));

    listener.answer(rule(r#"{"huge_body":3000000}"#)).unwrap();
    let answer = client().post(listener.url()).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), 3_000_000);
    let requests = listener.wait_for(2).await.unwrap();
    assert_eq!(requests[1].answer().unwrap().body_size, 3_000_000);
}

#[tokio::test]
async fn redirects_retry_after_headers_and_bodies_are_sent() {
    let listener = answering(
        r#"{"redirect":"http://127.0.0.1:1/x","retry_after":30,"headers":["X-Own: 1","X-Own: 2"],"body":"{}"}"#,
    )
    .await;
    let answer = client().post(listener.url()).send().await.unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(answer.headers()["location"], "http://127.0.0.1:1/x");
    assert_eq!(answer.headers()["retry-after"], "30");
    assert_eq!(answer.headers().get_all("x-own").iter().count(), 2);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.text().await.unwrap(), "{}");
}

#[tokio::test]
async fn rules_hold_by_path_method_and_event() {
    let listener = Listener::start().await.unwrap();
    let rules = serde_json::from_str(
        r#"[{"path":"/a/*","method":"PUT","respond":201},{"event":"random_number:*","respond":202},{"respond":203}]"#,
    )
    .unwrap();
    listener.answer(rules).unwrap();
    let client = client();
    let url = listener.url();
    let status = |request: reqwest::RequestBuilder| async {
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status(client.put(format!("{url}/a/b"))).await, 201);
    assert_eq!(status(client.post(format!("{url}/a/b"))).await, 203);
    let event = r#"{"id":"1","event":"random_number:generate","data":863}"#;
    assert_eq!(status(client.post(url).body(event)).await, 202);
}

#[tokio::test]
async fn a_connection_is_kept_alive() {
    let listener = Listener::start().await.unwrap();
    let mut stream = connect(&listener).await;
    for number in 0..3 {
        let request =
            format!("POST /{number} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n{number}");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, &format!("\r\n\r\n{number}")).await;
    }
    let requests = listener.wait_for(3).await.unwrap();
    assert_eq!(requests[0].remote, requests[2].remote);
}

#[tokio::test]
async fn webhooks_core_makes_three_attempts_under_one_id_with_growing_gaps() {
    use webhooks_core::{Event, RetrySchedule, Webhooks};

    let listener = Listener::start().await.unwrap();
    listener.respond([500, 500, 200]).unwrap();
    let waits = [50, 200, 400].map(Duration::from_millis);
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .retry(RetrySchedule::new(waits).unwrap())
        .open("sqlite::memory:")
        .await
        .unwrap();
    let added = webhooks
        .endpoints("acme")
        .add(listener.url().as_str())
        .await
        .unwrap();
    listener.verify(Verification {
        preset: Preset::Standard,
        secrets: vec![SigningSecret::new(&added.secret.expose(), Preset::Standard).unwrap()],
        old_secrets: Vec::new(),
        public_url: None,
        enforce: false,
    });
    webhooks
        .send("acme", Event::new("random_number:generate", &863))
        .await
        .unwrap();
    let requests = listener.wait_for(3).await.unwrap();
    let statuses: Vec<_> = requests.iter().map(|request| request.status()).collect();
    assert_eq!(statuses, [Some(500), Some(500), Some(200)]);
    let deliveries: Vec<_> = requests
        .iter()
        .map(|request| request.delivery.clone().unwrap())
        .collect();
    assert_eq!(deliveries[2].attempt, 3);
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.id == deliveries[0].id)
    );
    assert!(
        deliveries[1].gap_ms < deliveries[2].gap_ms,
        "{deliveries:?}"
    );
    for request in &requests {
        assert_eq!(
            request.diagnosis.as_ref().unwrap().text,
            "ok (secret 1 of 1)"
        );
        assert_eq!(request.event.as_deref(), Some("random_number:generate"));
    }
    webhooks.shutdown(Duration::from_secs(5)).await;
}
