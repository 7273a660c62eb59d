//! The second listener: what it says is what its OpenAPI document says.

use polis::Listener;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::wire::{DEADLINE, client, rule, say};

pub(crate) async fn call(method: &str, url: String, body: Option<Value>) -> (u16, Value) {
    let mut request = client().request(method.parse().unwrap(), url);
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.bytes().await.unwrap();
    let value = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    (status, value)
}

async fn get(listener: &Listener, path: &str) -> (u16, Value) {
    call("GET", listener.page_url() + path, None).await
}

/// What is wrong with a value under a schema; enough of JSON Schema for our document.
fn faults(value: &Value, schema: &Value, document: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.trim_start_matches('#'));
        let target = target.unwrap_or_else(|| panic!("{name} is not in the document"));
        return faults(value, target, document, place);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let all: Vec<_> = any
            .iter()
            .map(|schema| faults(value, schema, document, place))
            .collect();
        return all
            .iter()
            .min_by_key(|found| found.len())
            .cloned()
            .unwrap_or_default();
    }
    let mut found = Vec::new();
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    let is_number = kind == "integer" && kinds.contains(&"number");
    if !is_number && !kinds.contains(&kind) {
        return vec![format!("{place} is {kind}, not {kinds:?}")];
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{place} is {value}, none of {allowed:?}"));
    }
    if let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object())
    {
        for (key, inner) in object {
            match properties.get(key) {
                Some(schema) => {
                    found.extend(faults(inner, schema, document, &format!("{place}.{key}")));
                }
                None => found.push(format!("{place}.{key} is not described")),
            }
        }
        for key in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                found.push(format!("{place}.{key} is missing"));
            }
        }
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            found.extend(faults(
                item,
                &schema["items"],
                document,
                &format!("{place}[{index}]"),
            ));
        }
    }
    found
}

#[tokio::test]
async fn every_route_answers_as_the_document_says() {
    let listener = Listener::start().await.unwrap();
    let app = Listener::start().await.unwrap();
    let (_, document) = get(&listener, "/api/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let rules = json!({"rules":[{"forward":app.url(),"headers":["X-A: 1"]}]});
    let scope = json!({"verify":"github","secrets":["a-secret-of-acme"],"capacity":50,"rules":[{"respond":"500x2,200","sleep":0}]});
    say(
        &listener,
        b"POST /\xff HTTP/1.1\r\nHost: h\r\nX-Hub-Signature-256: sha256=00\r\nX-B: \xff\r\nWebhook-Id: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n{\"a\": 1}",
    )
    .await;
    say(&listener, b"broken\r\n\r\n").await;
    listener.wait_for(2).await.unwrap();
    let to = json!({"to": app.url(), "set": {"body.a": 2}});
    let archive = json!({"log":{"entries":[{"request":{"method":"PUT","url":"http://h/a"},"_scope":"acme"}]}});
    // Each operation of the document, in an order in which all can succeed.
    let calls = [
        ("get", "/api/openapi.json", "/api/openapi.json", None),
        ("put", "/api/scopes/{name}", "/api/scopes/acme", Some(scope)),
        ("get", "/api/scopes/{name}", "/api/scopes/acme", None),
        ("get", "/api/scopes", "/api/scopes", None),
        ("put", "/api/rules", "/api/rules", Some(rules)),
        ("get", "/api/rules", "/api/rules?scope=acme", None),
        ("get", "/api/requests", "/api/requests?limit=10", None),
        (
            "get",
            "/api/requests/{id}",
            "/api/requests/1?show_secrets=true",
            None,
        ),
        ("get", "/api/requests/{id}", "/api/requests/2", None),
        ("get", "/api/requests/{id}", "/api/requests/3", None),
        ("get", "/api/requests/{id}", "/api/requests/4", None),
        (
            "get",
            "/api/requests/{id}/body",
            "/api/requests/1/body",
            None,
        ),
        (
            "get",
            "/api/requests/{id}/answer/body",
            "/api/requests/1/answer/body",
            None,
        ),
        (
            "post",
            "/api/requests/{id}/replay",
            "/api/requests/1/replay",
            Some(to),
        ),
        (
            "post",
            "/api/requests/{id}/sign",
            "/api/requests/4/sign",
            Some(json!({"to": app.url(), "set": {"header.X-A": "b"}})),
        ),
        (
            "post",
            "/api/requests/{id}/replays",
            "/api/requests/4/replays",
            Some(json!({"to": app.url(), "status": 200, "edited": true})),
        ),
        ("post", "/api/import", "/api/import", Some(archive)),
        ("get", "/api/wait", "/api/wait?count=2&timeout=1s", None),
        ("get", "/api/events", "/api/events", None),
        ("delete", "/api/requests/{id}", "/api/requests/1", None),
        ("delete", "/api/requests", "/api/requests", None),
        ("delete", "/api/scopes/{name}", "/api/scopes/acme", None),
    ];
    for (method, path, url, body) in &calls {
        if *path == "/api/events" {
            continue; // it does not end; the tests of the stream read it
        }
        let (status, value) = call(
            &method.to_uppercase(),
            listener.page_url() + url,
            body.clone(),
        )
        .await;
        let described = &document["paths"][path][method]["responses"][status.to_string()];
        assert!(
            described.is_object(),
            "{method} {url} answered {status}: {value}"
        );
        assert_eq!(status, 200, "{method} {url}: {value}");
        let schema = &described["content"]["application/json"]["schema"];
        if schema.is_object() {
            let wrong = faults(&value, schema, &document, url);
            assert!(wrong.is_empty(), "{method} {url}: {wrong:#?}\n{value:#}");
        }
        if *path == "/api/rules" && *method == "put" {
            // From here on there is a forwarded request and one of a scope with a signature.
            let client = client();
            client
                .post(listener.url() + "/f")
                .body("x")
                .send()
                .await
                .unwrap();
            client
                .post(listener.url() + "/in/acme/f")
                .body("x")
                .send()
                .await
                .unwrap();
            listener.wait_for(4).await.unwrap();
        }
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            assert!(
                calls.iter().any(|(m, p, ..)| m == method && p == path),
                "{method} {path} is described but not tried"
            );
        }
    }
}

#[tokio::test]
async fn wrong_questions_get_a_sentence_and_the_described_status() {
    let listener = Listener::start().await.unwrap();
    for (method, path, body, status, part) in [
        ("GET", "/api/requests?status=abc", None, 400, "5xx"),
        ("GET", "/api/requests?limit=0", None, 400, "1 to 1000"),
        ("GET", "/api/requests?since=soon", None, 400, "since"),
        (
            "GET",
            "/api/requests?signature=good",
            None,
            400,
            "unchecked",
        ),
        ("GET", "/api/requests?scope=a%20b", None, 400, "letters"),
        ("GET", "/api/requests/7", None, 404, "#7"),
        ("GET", "/api/wait?timeout=1h", None, 400, "timeout"),
        ("GET", "/api/rules?scope=none", None, 404, "none"),
        ("DELETE", "/api/scopes/default", None, 409, "default"),
        (
            "PUT",
            "/api/rules",
            Some(json!({"rules":[{"respond":"abc"}]})),
            422,
            "rule 1: respond",
        ),
        (
            "PUT",
            "/api/scopes/a",
            Some(json!({"verify":"paypal"})),
            422,
            "paypal",
        ),
        (
            "PUT",
            "/api/scopes/a",
            Some(json!({"verify":"github"})),
            422,
            "secret",
        ),
    ] {
        let (answered, told) = call(method, listener.page_url() + path, body).await;
        assert_eq!(answered, status, "{method} {path}: {told}");
        let sentence = told["error"].as_str().unwrap_or_default();
        assert!(sentence.contains(part), "{method} {path}: {told}");
    }
}

#[tokio::test]
async fn lists_are_filtered_searched_and_paged() {
    let listener = Listener::start().await.unwrap();
    listener.respond([500, 200]).unwrap();
    let client = client();
    for (path, body) in [
        ("/a", r#"{"event":"one:two","text":"Needle"}"#),
        ("/a/b", "plain"),
        ("/c", "x"),
    ] {
        client
            .post(listener.url() + path)
            .body(body)
            .send()
            .await
            .unwrap();
    }
    client
        .put(listener.url() + "/c")
        .header("X-Odd", "in the HEADER")
        .send()
        .await
        .unwrap();
    client
        .post(listener.url() + "/c")
        .body("x")
        .send()
        .await
        .unwrap();
    listener.wait_for(5).await.unwrap();
    let ids = async |query: &str| -> Vec<u64> {
        let (status, page) = get(&listener, &format!("/api/requests?{query}")).await;
        assert_eq!(status, 200, "{page}");
        page["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| request["id"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(ids("").await, [5, 4, 3, 2, 1]);
    assert_eq!(ids("q=nEEdle").await, [1]);
    assert_eq!(ids("q=in+the+header").await, [4]);
    assert_eq!(ids("path=/a*").await, [2, 1]);
    assert_eq!(ids("method=put").await, [4]);
    assert_eq!(ids("status=2xx").await, [5]);
    assert_eq!(ids("event=one:*").await, [1]);
    assert_eq!(ids("signature=unchecked&since=3").await, [5, 4]);
    assert_eq!(ids("scope=&q=&status=").await.len(), 5);
    let (_, first) = get(&listener, "/api/requests?limit=2").await;
    assert_eq!(first["next_cursor"], "4");
    assert_eq!(ids("limit=2&cursor=4").await, [3, 2]);
    assert_eq!(ids("limit=2&cursor=2").await, [1]);
}

#[tokio::test]
async fn credentials_are_redacted_unless_asked_for_and_bodies_never_run() {
    let listener = Listener::start().await.unwrap();
    let client = client();
    client
        .post(listener.url())
        .header("authorization", "Bearer top-secret")
        .header("content-type", "text/html")
        .body("<script>alert(1)</script>")
        .send()
        .await
        .unwrap();
    let (_, hidden) = get(&listener, "/api/requests/1").await;
    assert!(!hidden.to_string().contains("top-secret"), "{hidden}");
    let (_, shown) = get(&listener, "/api/requests/1?show_secrets=true").await;
    assert!(shown.to_string().contains("top-secret"), "{shown}");
    let body = client
        .get(listener.page_url() + "/api/requests/1/body")
        .send()
        .await
        .unwrap();
    assert_eq!(body.headers()["content-type"], "application/octet-stream");
    assert_eq!(
        body.headers()["content-security-policy"],
        "sandbox; default-src 'none'"
    );
    assert_eq!(body.text().await.unwrap(), "<script>alert(1)</script>");
    let page = client.get(listener.page_url()).send().await.unwrap();
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let listener = Listener::start().await.unwrap();
    let client = client();
    let url = listener.page_url() + "/api/requests";
    let rebound = client
        .get(&url)
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(rebound.status(), 421);
    let foreign = client
        .delete(&url)
        .header("origin", "https://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    let fetched = client
        .delete(&url)
        .header("sec-fetch-site", "same-site")
        .send()
        .await
        .unwrap();
    assert_eq!(fetched.status(), 403);
    let own = client
        .delete(&url)
        .header("origin", listener.page_url())
        .send()
        .await
        .unwrap();
    assert_eq!(own.status(), 200);
}

/// Reads server-sent events until one of this name came, and returns all.
async fn events_until(mut answer: reqwest::Response, name: &str) -> String {
    let mut text = String::new();
    let wanted = format!("event: {name}\n");
    timeout(DEADLINE, async {
        while !(text.contains(&wanted) && text.ends_with("\n\n")) {
            let piece = answer.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    })
    .await
    .unwrap_or_else(|_| panic!("no {name} in {text}"));
    text
}

fn last_id(events: &str) -> String {
    let line = events.lines().rfind(|line| line.starts_with("id:"));
    line.unwrap().trim_start_matches("id:").trim().to_owned()
}

#[tokio::test]
async fn the_stream_is_live_and_goes_on_where_it_was_left() {
    let listener = Listener::start().await.unwrap();
    let client = client();
    let url = listener.page_url() + "/api/events";
    let stream = client.get(&url).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    client
        .post(listener.url() + "/live")
        .body("x")
        .send()
        .await
        .unwrap();
    let events = events_until(stream, "answered").await;
    assert!(events.contains("event: open\n"), "{events}");
    assert!(events.contains("event: arrived\n"), "{events}");
    assert!(events.contains("\"target\":\"/live\""), "{events}");

    let last = last_id(&events);
    client
        .post(listener.url() + "/while-away")
        .send()
        .await
        .unwrap();
    let stream = client
        .get(&url)
        .header("last-event-id", &last)
        .send()
        .await
        .unwrap();
    let events = events_until(stream, "answered").await;
    assert!(events.contains("/while-away"), "{events}");
    assert!(!events.contains("\"/live\""), "{events}");

    let stream = client
        .get(&url)
        .header("last-event-id", "another-run-3")
        .send()
        .await
        .unwrap();
    events_until(stream, "reset").await;

    let stream = client
        .get(format!("{url}?path=/wanted"))
        .send()
        .await
        .unwrap();
    client
        .post(listener.url() + "/unwanted")
        .send()
        .await
        .unwrap();
    client
        .post(listener.url() + "/wanted")
        .send()
        .await
        .unwrap();
    let events = events_until(stream, "answered").await;
    assert!(!events.contains("/unwanted"), "{events}");
}

#[tokio::test]
async fn waiting_ends_when_they_came_or_time_is_over() {
    let listener = Listener::start().await.unwrap();
    let url = listener.page_url() + "/api/wait?count=2&event=a:b&timeout=10s";
    let waiting = tokio::spawn(call("GET", url, None));
    let client = client();
    for body in [
        r#"{"event":"a:b"}"#,
        r#"{"event":"other"}"#,
        r#"{"event":"a:b"}"#,
    ] {
        client.post(listener.url()).body(body).send().await.unwrap();
    }
    let (_, waited) = waiting.await.unwrap();
    assert_eq!(waited["complete"], true, "{waited}");
    assert_eq!(waited["requests"][1]["id"], 3);
    let (status, waited) = get(&listener, "/api/wait?count=9&timeout=10ms").await;
    assert_eq!(status, 200);
    assert_eq!(waited["complete"], false);
    assert_eq!(waited["requests"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn rules_that_are_put_hold_at_once() {
    let listener = Listener::start().await.unwrap();
    listener.answer(rule(r#"{"respond":500}"#)).unwrap();
    let rules = json!({"rules":[{"respond":"201"}]});
    let (status, shown) = call(
        "PUT",
        listener.page_url() + "/api/rules",
        Some(rules.clone()),
    )
    .await;
    assert_eq!((status, &shown), (200, &rules));
    let answer = client().post(listener.url()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}
