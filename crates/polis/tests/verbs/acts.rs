//! send, sign, verify and replay.

use polis::{Listener, Preset};
use webhooks_core::{Secret, receive::Verifier};

use crate::run::{SECRET, polis};

#[tokio::test]
async fn send_makes_the_documented_body_and_exits_by_the_status() {
    let listener = Listener::start().await.unwrap();
    listener.respond([500, 200]).unwrap();
    let url = listener.url() + "/hooks?a=1";
    let arguments = [
        "send",
        &url,
        "--event",
        "random_number:generate",
        "--data",
        "863",
        "--id",
        "m1",
        "-H",
        "X-A: b",
    ];
    let failed = polis(&arguments)
        .variable("POLIS_SECRETS", SECRET)
        .end()
        .await;
    let text = failed.text(1);
    assert!(
        text.contains(&format!("POST {url}\n")) && text.contains("-> 500 after"),
        "{text}"
    );
    let again = polis(&[&arguments[..], &["--json"]].concat())
        .variable("POLIS_SECRETS", SECRET)
        .end()
        .await
        .json(0);
    assert_eq!(again[0]["answer"]["status"], 200);

    let requests = listener.wait_for(2).await.unwrap();
    assert_eq!(
        requests[0].body,
        r#"{"id":"m1","event":"random_number:generate","data":863}"#
    );
    assert_eq!(requests[0].target(), "/hooks?a=1");
    assert_eq!(requests[0].header("x-a"), Some("b"));
    assert_eq!(requests[1].delivery.as_ref().unwrap().attempt, 2);
    let mut headers = http::HeaderMap::new();
    for (name, value) in requests[0].headers() {
        headers.append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            http::HeaderValue::from_bytes(value).unwrap(),
        );
    }
    let secret: Secret = SECRET.parse().unwrap();
    let verified = Verifier::standard([secret])
        .verify(&headers, &requests[0].body)
        .unwrap();
    assert_eq!(verified.id.as_deref(), Some("m1"));
}

#[tokio::test]
async fn send_takes_data_from_files_and_secrets_never_from_arguments() {
    let listener = Listener::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("push.json");
    std::fs::write(&data, "{ \"ref\" :\t1 }\n").unwrap();
    let secrets = folder.path().join("secrets");
    std::fs::write(&secrets, "# mine\nIt's a Secret\n").unwrap();
    let arguments = [
        "send".to_owned(),
        listener.url(),
        "--provider=github".to_owned(),
        "--event=push".to_owned(),
        format!("--body=@{}", data.display()),
        format!("--secrets-file={}", secrets.display()),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = polis(&arguments).end().await;
    ran.text(0);
    let request = &listener.wait_for(1).await.unwrap()[0];
    assert_eq!(&request.body[..], b"{ \"ref\" :\t1 }\n");
    assert_eq!(request.header("x-github-event"), Some("push"));
    assert!(
        request
            .header("x-hub-signature-256")
            .unwrap()
            .starts_with("sha256=")
    );

    let without = polis(&["send", &listener.url(), "--event", "a"])
        .end()
        .await;
    assert_eq!(without.code, 2);
    assert!(without.stderr.contains("POLIS_SECRETS"), "{without:?}");
    let unsigned = polis(&["send", &listener.url(), "--event", "a", "--unsigned"])
        .end()
        .await;
    assert!(
        !unsigned.text(0).contains("webhook-signature"),
        "{unsigned:?}"
    );
    let wrong = polis(&[
        "send",
        &listener.url(),
        "--event",
        "a",
        "--unsigned",
        "--data",
        "oops",
    ])
    .end()
    .await;
    assert!(
        wrong.code == 2 && wrong.stderr.contains("--data is not JSON"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn send_tells_when_nobody_answers() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x", free.local_addr().unwrap());
    drop(free);
    let ran = polis(&["send", &url, "--event", "a", "--unsigned"])
        .end()
        .await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains(&url) && ran.stderr.contains("cannot connect"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn what_sign_makes_verify_accepts_for_every_provider() {
    let pair = Secret::generate_ed25519().expose();
    for preset in Preset::all() {
        let provider = preset.name();
        let secret = match preset {
            Preset::Discord => &pair,
            _ => SECRET,
        };
        let url = ["--url", "https://example.test/hooks?a='b'"];
        let millisecond = jiff::Timestamp::now().as_millisecond();
        let body = match preset {
            Preset::Linear => format!(r#"{{"webhookTimestamp":{millisecond}}}"#),
            _ => "a=1&b=%C3%BC".to_owned(),
        };
        let body = body.as_bytes();
        let signed = polis(&[&["sign", "--provider", provider][..], &url].concat())
            .variable("POLIS_SECRETS", secret)
            .stdin(body)
            .end()
            .await;
        let mut arguments = vec!["verify"];
        arguments.extend(url);
        let of_the_signature = |line: &&str| !line.starts_with("content-type: ");
        for line in signed.text(0).lines().filter(of_the_signature) {
            arguments.extend(["-H", line]);
        }
        arguments.extend(["-H", "Content-Type: application/x-www-form-urlencoded"]);
        if preset == Preset::Meta {
            // Its header is GitHub's as well.
            arguments.extend(["--provider", provider]);
        }
        let good = polis(&arguments)
            .variable("POLIS_SECRETS", secret)
            .stdin(body)
            .end()
            .await;
        assert_eq!(
            good.text(0),
            format!("{provider} signature ok (secret 1 of 1)\n")
        );
        if preset == Preset::GitLab {
            // A token signs nothing.
            continue;
        }
        let bad = polis(&arguments)
            .variable("POLIS_SECRETS", secret)
            .stdin(b"a=2")
            .end()
            .await;
        assert!(bad.text(1).contains("FAILED"), "{bad:?}");
    }
}

#[tokio::test]
async fn verify_says_why_in_the_words_of_the_diagnosis() {
    let at = "1700000000";
    let body = b"{\"a\":1}";
    let signed = polis(&["sign", "--id", "m1", "--at", at, "--json"])
        .variable("POLIS_SECRETS", SECRET)
        .stdin(body)
        .end()
        .await
        .json(0);
    let mut request = String::from("POST /hooks HTTP/1.1\r\n");
    for (name, value) in signed[0].as_object().unwrap() {
        request.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
    }
    let whole = |body: &str| format!("{request}\r\n{body}").into_bytes();
    let verify = |later: &'static str, stdin: Vec<u8>| async move {
        polis(&["verify", "--request", "-", "--at", later])
            .variable("POLIS_SECRETS", SECRET)
            .stdin(&stdin)
            .end()
            .await
    };
    verify("1700000010", whole("{\"a\":1}")).await.text(0);
    let old = verify("1700000412", whole("{\"a\":1}")).await;
    assert!(
        old.text(1)
            .contains("the timestamp is 412 s old (limit 300)"),
        "{old:?}"
    );
    let newline = verify("1700000010", whole("{\"a\":1}\n")).await;
    assert!(
        newline.text(1).contains("without the line end"),
        "{newline:?}"
    );
    assert!(
        newline
            .text(1)
            .contains("to be signed: m1.1700000000.{\"a\":1}\\n"),
        "{newline:?}"
    );
    let spaced = verify("1700000010", whole("{\"a\": 1}")).await;
    assert!(
        spaced.text(1).contains("as JSON without spaces"),
        "{spaced:?}"
    );

    let rotated = polis(&["verify", "--request", "-", "--at", at, "--json"])
        .variable("POLIS_SECRETS", "whsec_b3RoZXI=")
        .variable("POLIS_OLD_SECRETS", SECRET)
        .stdin(&whole("{\"a\":1}"))
        .end()
        .await
        .json(1);
    assert_eq!(rotated[0]["verdict"], "failed");
    assert_eq!(rotated[0]["findings"][0]["kind"], "old_secret");
    let unknown = polis(&["verify"])
        .variable("POLIS_SECRETS", SECRET)
        .end()
        .await;
    assert!(
        unknown.code == 2 && unknown.stderr.contains("--provider"),
        "{unknown:?}"
    );
    let missing = polis(&["verify", "--provider", "github"])
        .variable("POLIS_SECRETS", SECRET)
        .end()
        .await;
    assert!(
        missing
            .text(1)
            .contains("there is no X-Hub-Signature-256 header"),
        "{missing:?}"
    );
}

/// The shape is that of `signature` in the API, which its OpenAPI document describes.
#[tokio::test]
async fn verify_tells_the_signed_string_in_base64_when_it_is_no_text() {
    let verify = |body: Vec<u8>| async move {
        polis(&["verify", "--provider", "github", "--json"])
            .variable("POLIS_SECRETS", SECRET)
            .stdin(&body)
            .end()
            .await
            .json(1)
            .remove(0)
    };
    let binary = verify(b"a\xff".to_vec()).await;
    assert_eq!(binary["signed"], "a\u{fffd}");
    assert_eq!(binary["signed_base64"], "Yf8=");
    assert_eq!(binary["signed_cut"], false);
    let text = verify("ü".into()).await;
    assert_eq!(text["signed"], "ü");
    assert_eq!(text.get("signed_base64"), None, "{text}");
    let long = verify(vec![b'a'; 64 * 1024 + 1]).await;
    assert_eq!(long["signed"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!(long["signed_cut"], true);

    let openapi: serde_json::Value =
        serde_json::from_str(include_str!("../../src/api/openapi.json")).unwrap();
    let documented = &openapi["components"]["schemas"]["Signature"]["properties"];
    for told in [&binary, &text, &long] {
        for name in told.as_object().unwrap().keys() {
            assert!(documented.get(name).is_some(), "{name} is not documented");
        }
    }
}

#[tokio::test]
async fn replay_changes_values_and_signs_anew() {
    let listener = Listener::start().await.unwrap();
    let target = Listener::start().await.unwrap();
    let url = listener.url() + "/hooks?a=1";
    polis(&[
        "send",
        &url,
        "--event",
        "e",
        "--data",
        "863",
        "--id",
        "m1",
        "-H",
        "X-Keep: Me",
        "-H",
        "X-Drop: it",
    ])
    .variable("POLIS_SECRETS", SECRET)
    .end()
    .await
    .text(0);
    listener.wait_for(1).await.unwrap();
    let to = target.url();
    polis(&["replay", "1", "--to", &to])
        .at(&listener)
        .end()
        .await
        .text(0);
    let changed = polis(&["replay", "1", "--to", &to, "--set", "body.data=1"])
        .at(&listener)
        .end()
        .await;
    changed.text(0);
    assert!(
        changed.stderr.contains("--resign signs it again"),
        "{changed:?}"
    );
    let arguments = [
        "replay",
        "1",
        "--to",
        &to,
        "--resign",
        "--set",
        "body.data=1",
        "--set",
        "body.more={\"text\":\"hi\"}",
        "--set",
        "header.X-New=7",
        "--set",
        "header.x-drop=",
    ];
    polis(&arguments)
        .at(&listener)
        .variable("POLIS_SECRETS", SECRET)
        .end()
        .await
        .text(0);
    let requests = target.wait_for(3).await.unwrap();
    let original = &listener.requests()[0];
    assert_eq!(requests[0].body, original.body);
    assert_eq!(requests[0].target(), "/hooks?a=1");
    assert_eq!(
        requests[0].header("webhook-signature"),
        original.header("webhook-signature")
    );
    let json = requests[2].json().unwrap();
    assert_eq!(
        (&json["data"], &json["more"]["text"]),
        (&1.into(), &"hi".into())
    );
    assert_eq!(requests[2].header("x-new"), Some("7"));
    assert_eq!(requests[2].header("x-drop"), None);
    assert!(
        requests[2]
            .headers()
            .any(|header| header == ("X-Keep", b"Me"))
    );
    // The changed body is verified by its new signature.
    let mut arguments = vec!["verify".to_owned()];
    for (name, value) in requests[2].headers() {
        arguments.push(format!("-H{name}: {}", std::str::from_utf8(value).unwrap()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    polis(&arguments)
        .variable("POLIS_SECRETS", SECRET)
        .stdin(&requests[2].body)
        .end()
        .await
        .text(0);

    let wrong = polis(&[
        "replay",
        "1",
        "--to",
        &to,
        "--set",
        "body.data.x=1",
        "--set",
        "nonsense=1",
    ])
    .at(&listener)
    .end()
    .await;
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("body.data.x") && wrong.stderr.contains("nonsense"),
        "{wrong:?}"
    );
}
