//! replay --set: the bytes that are changed, and those that are not.

use polis::{Listener, Preset, Record, SigningSecret, Verdict, Verification};

use crate::run::{Ran, SECRET, polis};

const FORM: &str = "application/x-www-form-urlencoded";

/// A request as it comes, replayed to a listener that checks this provider's signatures.
struct Scene {
    captured: Listener,
    target: Listener,
}

impl Scene {
    async fn of(preset: Preset) -> Self {
        let target = Listener::start().await.unwrap();
        target.verify(Verification {
            preset,
            secrets: vec![SigningSecret::new(SECRET, preset).unwrap()],
            old_secrets: Vec::new(),
            public_url: None,
            enforce: false,
        });
        let captured = Listener::start().await.unwrap();
        Self { captured, target }
    }

    async fn comes(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut request = reqwest::Client::new()
            .post(self.captured.url() + path)
            .body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap();
    }

    async fn replay(&self, id: usize, arguments: &[&str]) -> Ran {
        let (id, to) = (id.to_string(), self.target.url());
        polis(&[&["replay", &id, "--to", &to][..], arguments].concat())
            .at(&self.captured)
            .variable("POLIS_SECRETS", SECRET)
            .end()
            .await
    }

    /// What arrived last.
    async fn arrived(&self, count: usize) -> std::sync::Arc<Record> {
        self.target.wait_for(count).await.unwrap()[count - 1].clone()
    }
}

fn is_verified(record: &Record) -> bool {
    record
        .diagnosis
        .as_ref()
        .is_some_and(|diagnosis| diagnosis.verdict == Verdict::Ok)
}

#[tokio::test]
async fn one_value_of_json_is_changed_and_every_other_byte_stays() {
    let scene = Scene::of(Preset::Standard).await;
    let body = "{ \"z\":1.0, \"a\" :[{\"n\": \"\\u00e9\"}],\r\n\t\"a.b\":1e5,\"z\":2.50 }\n";
    scene
        .comes(
            "/",
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
        .await;
    let cases = [
        ("body.z=1.0", body.replace("2.50", "1.0")),
        ("body.a.0.n=it's", body.replace("\"\\u00e9\"", "\"it's\"")),
        (r"body.a\.b={ }", body.replace("1e5", "{ }")),
        (
            "body.new=true",
            body.replace("2.50 }", "2.50,\"new\":true }"),
        ),
    ];
    for (index, (change, expected)) in cases.iter().enumerate() {
        let arguments = ["--set", change, "--resign", "--provider", "standard"];
        scene.replay(1, &arguments).await.text(0);
        let arrived = scene.arrived(index + 1).await;
        assert_eq!(arrived.body, expected.as_bytes(), "{change}");
        let length = expected.len().to_string();
        assert_eq!(arrived.header("content-length"), Some(&length[..]));
        assert!(is_verified(&arrived), "{:?}", arrived.diagnosis);
    }
    let both = ["--set", "body.a=[]", "--set", "body.z=0"];
    scene.replay(1, &both).await.text(0);
    let expected = body
        .replace("[{\"n\": \"\\u00e9\"}]", "[]")
        .replace("2.50", "0");
    assert_eq!(scene.arrived(5).await.body, expected.as_bytes());
}

#[tokio::test]
async fn one_pair_of_a_form_is_changed_and_twilio_accepts_it() {
    let scene = Scene::of(Preset::Twilio).await;
    let body = b"From=%2b15005550006&Body=Your%20number&Digits=1&Digits=1&Odd=%ff";
    scene
        .comes("/sms?foo=1&bar=2", &[("content-type", FORM)], body)
        .await;
    let arguments = [
        "--set",
        "body.Body=Hello & goodbye",
        "--set",
        "body.New=+1",
        "--resign",
        "--provider",
        "twilio",
    ];
    scene.replay(1, &arguments).await.text(0);
    let arrived = scene.arrived(1).await;
    assert_eq!(
        arrived.body,
        "From=%2b15005550006&Body=Hello+%26+goodbye&Digits=1&Digits=1&Odd=%ff&New=%2B1"
    );
    assert_eq!(arrived.target(), "/sms?foo=1&bar=2");
    assert!(is_verified(&arrived), "{:?}", arrived.diagnosis);
}

/// A body that is not a form counts in Twilio's signature through its hash in the URL.
#[tokio::test]
async fn the_body_hash_of_twilios_url_follows_the_body() {
    let scene = Scene::of(Preset::Twilio).await;
    let json = ("content-type", "application/json");
    scene
        .comes("/v?a=%7e&bodySHA256=00&b", &[json], br#"{"a": 1}"#)
        .await;
    let arguments = ["--set", "body.a=2", "--resign", "--provider", "twilio"];
    scene.replay(1, &arguments).await.text(0);
    let arrived = scene.arrived(1).await;
    assert_eq!(arrived.body, r#"{"a": 2}"#);
    // The hash was made by sha256sum.
    assert_eq!(
        arrived.target(),
        "/v?a=%7e&bodySHA256=e5a9d5b0300e0f50d372e5a9ddfa24208aac9a940ce9a36f247387221ae205fe&b"
    );
    assert!(is_verified(&arrived), "{:?}", arrived.diagnosis);
    // Without --resign nothing but what was set is changed.
    scene.replay(1, &["--set", "body.a=2"]).await.text(0);
    assert_eq!(scene.arrived(2).await.target(), "/v?a=%7e&bodySHA256=00&b");
}

#[tokio::test]
async fn a_change_that_cannot_be_made_says_what_is_there_instead() {
    let scene = Scene::of(Preset::Standard).await;
    let json = ("content-type", "application/json");
    scene.comes("/", &[json], br#"{"data":863}"#).await;
    let multipart = ("content-type", "multipart/form-data; boundary=x");
    scene.comes("/", &[multipart], b"--x--").await;
    for (id, change, told) in [
        (1, "body.data.x=1", "body.data.x: body.data is a number"),
        (1, "body.more.x=1", "body.more.x: there is no body.more"),
        (2, "body.a=1", "body.a: the body is multipart/form-data"),
        (1, "nonsense=1", "nonsense is neither body"),
        (1, "body", "write one like body.data=1"),
    ] {
        let ran = scene.replay(id, &["--set", change]).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
    let unsigned = scene.replay(1, &["--set", "body.data=1"]).await;
    unsigned.text(0);
    assert_eq!(unsigned.stderr, "", "there is no signature to lose");
    let whole = ["--set", "body=\"it's\" {all}"];
    scene.replay(2, &whole).await.text(0);
    assert_eq!(scene.arrived(2).await.body, "\"it's\" {all}");
}

/// The secret had to be typed a second time, although the running polis has it.
#[tokio::test]
async fn resign_uses_the_secret_of_the_polis_that_runs() {
    let listener = Listener::start().await.unwrap();
    let app = Listener::start().await.unwrap();
    for at in [&listener, &app] {
        at.verify(Verification {
            preset: Preset::Standard,
            secrets: vec![SigningSecret::new(SECRET, Preset::Standard).unwrap()],
            old_secrets: Vec::new(),
            public_url: None,
            enforce: false,
        });
    }
    let sent = reqwest::Client::new()
        .post(listener.url() + "/hooks")
        .header("webhook-id", "m1")
        .body(r#"{"data":8}"#);
    sent.send().await.unwrap();
    listener.wait_for(1).await.unwrap();
    let run = |more: &[&str]| {
        let to = app.url();
        let all = [
            &[
                "replay",
                "1",
                "--to",
                &to,
                "--set",
                "body.data=9",
                "--resign",
            ],
            more,
        ]
        .concat();
        polis(&all).at(&listener)
    };
    let ran = run(&[]).end().await;
    ran.text(0);
    assert!(
        ran.stderr.contains("by the polis at http://127.0.0.1"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("scope default"), "{ran:?}");
    // Another provider's signature is not polis's to make.
    let github = run(&["--provider=github"])
        .variable("POLIS_SECRETS", "x")
        .end()
        .await;
    github.text(0);
    assert!(
        github.stderr.contains("secret 1 of 1, from POLIS_SECRETS"),
        "{github:?}"
    );
    let received = app.wait_for(2).await.unwrap();
    assert_eq!(received[0].body, r#"{"data":9}"#);
    assert_eq!(
        received[0].diagnosis.as_ref().unwrap().text,
        "ok (secret 1 of 1)"
    );
    assert_eq!(received[0].delivery.as_ref().unwrap().id, "m1");
    assert!(received[1].header("x-hub-signature-256").is_some());
}

#[tokio::test]
async fn a_replay_of_the_command_line_is_listed_under_its_request() {
    let scene = Scene::of(Preset::Standard).await;
    scene.comes("/", &[], b"{\"n\":1}").await;
    scene.replay(1, &["--set", "body.n=2"]).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap().to_string();
    drop(closed);
    let unanswered = polis(&["replay", "1", "--to", &nobody])
        .at(&scene.captured)
        .end()
        .await;
    assert_eq!(unanswered.code, 2, "{unanswered:?}");
    let page = reqwest::get(scene.captured.page_url() + "/requests/1");
    let page = page.await.unwrap().text().await.unwrap();
    assert!(page.contains("answered 200</b>, edited"), "{page}");
    assert!(page.contains(&format!("<code>http://{nobody}</code>: <b class=\"bad\">")));
}
