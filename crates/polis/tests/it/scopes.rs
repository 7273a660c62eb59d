//! Endpoints of their own under `/in/<name>/`.

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
async fn a_view_token_guards_what_came() {
    let listener = Listener::start().await.unwrap();
    put_scope(&listener, "acme", &json!({"view_token":"open-sesame"})).await;
    client()
        .post(listener.url() + "/in/acme/x")
        .send()
        .await
        .unwrap();
    let page = listener.page_url();
    let (status, told) = get(format!("{page}/api/requests?scope=acme")).await;
    assert_eq!(status, 403);
    assert!(told["error"].as_str().unwrap().contains("view token"));
    for path in [
        "/api/requests/1",
        "/api/requests/1/body",
        "/api/scopes/acme",
        "/api/rules?scope=acme",
        "/api/events?scope=acme",
        "/api/wait?scope=acme",
    ] {
        let (status, _) = get(format!("{page}{path}")).await;
        assert_eq!(status, 403, "{path}");
    }
    let (_, all) = get(format!("{page}/api/requests")).await;
    assert_eq!(all["requests"], json!([]));
    let (_, shown) = get(format!("{page}/api/requests?token=open-sesame")).await;
    assert_eq!(shown["requests"].as_array().unwrap().len(), 1);
    assert_eq!(
        put_scope(&listener, "acme", &json!({"view_token":""}))
            .await
            .status(),
        403
    );
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
