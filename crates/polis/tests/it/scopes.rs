//! Separate endpoints under `/in/<name>/`.

use polis::Listener;
use serde_json::{Value, json};

use crate::wire::client;

async fn put_scope(listener: &Listener, name: &str, spec: &Value) -> reqwest::Response {
    client()
        .put(format!("{}/api/scopes/{name}", listener.page_url()))
        .header("content-type", "application/json")
        .body(spec.to_string())
        .send()
        .await
        .unwrap()
}

async fn get(url: String) -> (u16, Value) {
    let answer = client().get(url).send().await.unwrap();
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(),
    )
}

#[tokio::test]
async fn a_scope_is_made_by_use_and_has_rules_of_its_own() {
    let listener = Listener::start().await.unwrap();
    let client = client();
    let url = listener.url();
    client
        .post(format!("{url}/in/acme/hooks"))
        .send()
        .await
        .unwrap();
    assert_eq!(&*listener.requests()[0].scope, "acme");
    let put = put_scope(
        &listener,
        "acme",
        &json!({"rules":[{"path":"/hooks","respond":418}]}),
    )
    .await;
    assert_eq!(put.status(), 200);
    let inside = client
        .post(format!("{url}/in/acme/hooks"))
        .send()
        .await
        .unwrap();
    assert_eq!(inside.status(), 418);
    let outside = client.post(format!("{url}/hooks")).send().await.unwrap();
    assert_eq!(outside.status(), 200);
    let (_, page) = get(format!("{}/api/requests?scope=acme", listener.page_url())).await;
    assert_eq!(page["requests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_scope_has_a_capacity_and_secrets_that_are_never_read() {
    let listener = Listener::start().await.unwrap();
    let spec = json!({"capacity":2,"verify":"github","secrets":["first-secret","second-secret"],"enforce":true});
    let put = put_scope(&listener, "acme", &spec)
        .await
        .text()
        .await
        .unwrap();
    assert!(!put.contains("first-secret"), "{put}");
    let shown: Value = serde_json::from_str(&put).unwrap();
    assert_eq!(shown["secrets"], 2);
    let client = client();
    for _ in 0..3 {
        let answer = client
            .post(listener.url() + "/in/acme")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401);
    }
    let (_, page) = get(format!("{}/api/requests", listener.page_url())).await;
    assert_eq!(page["kept"], 2);
    assert_eq!(page["fell_out"]["requests"], 1);
}

#[tokio::test]
async fn a_removed_scope_takes_its_requests_along() {
    let listener = Listener::start().await.unwrap();
    client()
        .post(listener.url() + "/in/acme/x")
        .send()
        .await
        .unwrap();
    client().post(listener.url() + "/y").send().await.unwrap();
    let url = format!("{}/api/scopes/acme", listener.page_url());
    let removed = client().delete(&url).send().await.unwrap();
    assert_eq!(removed.text().await.unwrap(), r#"{"removed":1}"#);
    assert_eq!(client().delete(&url).send().await.unwrap().status(), 404);
    assert_eq!(listener.requests().len(), 1);
}

/// Signed requests that came before the secret stayed unchecked forever.
#[tokio::test]
async fn a_secret_that_comes_late_diagnoses_everything_that_is_kept() {
    use polis::{Preset, SigningSecret, ToSign, sign};
    let listener = Listener::start().await.unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let signing = SigningSecret::new(secret, Preset::Standard).unwrap();
    let what = ToSign {
        id: "msg_1",
        at: jiff::Timestamp::now(),
        url: "",
        content_type: None,
        body: b"{}",
    };
    for (path, secret_is_right) in [
        ("/in/acme/a", true),
        ("/in/acme/b", false),
        ("/other", true),
    ] {
        let mut request = client().post(listener.url() + path);
        for (name, value) in sign(Preset::Standard, &signing, &what).unwrap() {
            request = request.header(name, value);
        }
        let body = if secret_is_right {
            "{}"
        } else {
            "{ \"changed\": true }"
        };
        request.body(body).send().await.unwrap();
    }
    // This one is not answered before it is diagnosed.
    put_scope(&listener, "acme", &json!({"rules": [{"hang": true}]})).await;
    let waiting = tokio::spawn(
        client()
            .post(listener.url() + "/in/acme/c")
            .body("x")
            .send(),
    );
    let mut seen = listener.requests().len();
    while seen < 4 {
        tokio::task::yield_now().await;
        seen = listener.requests().len();
    }

    let states = || -> Vec<String> {
        let told = |record: &std::sync::Arc<polis::Record>| match &record.diagnosis {
            Some(diagnosis) => format!("{:?}", diagnosis.verdict),
            None => "unchecked".to_owned(),
        };
        listener.requests().iter().map(told).collect()
    };
    assert_eq!(states(), ["unchecked"; 4]);
    // The headers say whose they are.
    let answer = put_scope(&listener, "acme", &json!({ "secrets": [secret] })).await;
    let told: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(
        (&told["verify"], &told["diagnosed"]),
        (&json!("standard"), &json!(3)),
        "{told}"
    );
    assert_eq!(states(), ["Ok", "Failed", "unchecked", "Missing"]);
    waiting.abort();
    listener.wait_for(4).await.unwrap();
    assert!(
        listener.requests()[3]
            .answer()
            .unwrap()
            .hung_up_after
            .is_some()
    );

    let other = json!({"secrets": ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]});
    put_scope(&listener, "acme", &other).await;
    assert_eq!(states(), ["Failed", "Failed", "unchecked", "Missing"]);
    put_scope(&listener, "acme", &json!({"verify": ""})).await;
    assert_eq!(states(), ["unchecked"; 4]);
    let unknown = put_scope(&listener, "empty", &json!({ "secrets": [secret] })).await;
    assert_eq!(unknown.status(), 422);
}
