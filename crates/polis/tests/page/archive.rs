//! Export and import: a HAR file by its specification, and what comes back of it and of a log.

use polis::Listener;
use serde_json::{Value, json};

use crate::scene::{OLD_SECRET, Sent, client, get, json as read, verifying};

/// A HAR 1.2 archive has these fields, of these types (softwareishard.com/blog/har-12-spec).
fn check(archive: &Value) {
    let log = &archive["log"];
    assert_eq!(log["version"], "1.2");
    for field in ["name", "version"] {
        assert!(log["creator"][field].is_string(), "creator.{field}");
    }
    for entry in log["entries"].as_array().expect("entries") {
        let at = entry["startedDateTime"].as_str().expect("startedDateTime");
        assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
        let time = entry["time"].as_f64().expect("time");
        let timings = &entry["timings"];
        let sum: f64 = ["send", "wait", "receive"]
            .iter()
            .map(|phase| timings[*phase].as_f64().expect("a timing"))
            .sum();
        assert!((time - sum).abs() < 1e-6, "{time} is the sum of {timings}");
        assert!(entry["cache"].is_object());
        let (request, response) = (&entry["request"], &entry["response"]);
        assert!(request["method"].is_string());
        let url = request["url"].as_str().expect("url");
        assert!(url::Url::parse(url).is_ok(), "{url}");
        for part in [request, response] {
            assert!(part["httpVersion"].is_string());
            assert!(part["headersSize"].is_i64() && part["bodySize"].is_i64());
            assert!(part["cookies"].is_array());
            for header in part["headers"].as_array().expect("headers") {
                assert!(header["name"].is_string() && header["value"].is_string());
            }
        }
        for pair in request["queryString"].as_array().expect("queryString") {
            assert!(pair["name"].is_string() && pair["value"].is_string());
        }
        if let Some(posted) = request.get("postData") {
            assert!(posted["mimeType"].is_string() && posted["text"].is_string());
        }
        assert!(response["status"].is_i64());
        for field in ["statusText", "redirectURL"] {
            assert!(response[field].is_string(), "{field}");
        }
        let content = &response["content"];
        assert!(content["size"].is_i64() && content["mimeType"].is_string());
    }
}

async fn exported(listener: &Listener, query: &str) -> Value {
    read(listener, &format!("/export.har{query}")).await
}

async fn import(listener: &Listener, file: String) -> (u16, String) {
    let url = listener.page_url() + "/import";
    let answer = client().post(url).body(file).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn an_export_is_a_har_file_and_comes_back_whole() {
    let listener = Listener::start().await.unwrap();
    listener.respond([500, 200]).unwrap();
    for _ in 0..2 {
        let sent = client()
            .post(listener.url() + "/hooks?a=1&b=x%20y")
            .header("content-type", "application/json")
            .header("idempotency-key", "key-1")
            .body(r#"{"event":"random_number:generate","data":863}"#);
        sent.send().await.unwrap();
    }
    let bytes: Vec<u8> = (0..=255).collect();
    let sent = client().put(listener.url() + "/bytes").body(bytes.clone());
    sent.send().await.unwrap();
    client()
        .get(listener.url() + "/health")
        .send()
        .await
        .unwrap();

    let archive = exported(&listener, "").await;
    check(&archive);
    let entries = archive["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(
        entries[0]["request"]["queryString"],
        json!([{"name": "a", "value": "1"}, {"name": "b", "value": "x y"}])
    );
    assert_eq!(entries[0]["response"]["status"], 500);
    let some = exported(&listener, "?method=PUT").await;
    check(&some);
    assert_eq!(some["log"]["entries"].as_array().unwrap().len(), 1);

    let other = Listener::start().await.unwrap();
    assert_eq!(import(&other, archive.to_string()).await.0, 303);
    let (before, after) = (listener.requests(), other.requests());
    assert_eq!(after.len(), before.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(after.body, before.body);
        assert_eq!(after.target(), before.target());
        assert_eq!(after.event, before.event);
        let status = |record: &polis::Record| record.answer().unwrap().status;
        assert_eq!(status(after), status(before));
        let attempt = |record: &polis::Record| record.delivery.as_ref().map(|d| d.attempt);
        assert_eq!(attempt(after), attempt(before));
    }
    check(&exported(&other, "").await);
}

#[tokio::test]
async fn a_log_comes_back_with_its_diagnosis_and_the_signed_string() {
    let listener = verifying().await;
    let old = Sent {
        secret: OLD_SECRET,
        ..Sent::number("msg_17", 863)
    };
    old.to(&listener).await;
    let told = read(&listener, "/api/requests/1?body=true").await;
    let log = json!({"what": "arrived", "request": told}).to_string();

    let other = Listener::start().await.unwrap();
    assert_eq!(import(&other, log).await.0, 303);
    let page = get(&other, "/requests/1").await.1;
    assert!(page.contains("an old secret matched"), "{page}");
    let signed = "{&#34;id&#34;:&#34;msg_17&#34;,&#34;event&#34;:&#34;random_number:generate&#34;,&#34;data&#34;:863}";
    assert!(
        page.contains("<pre class=\"signed\" tabindex=\"0\">msg_17.") && page.contains(signed),
        "{page}"
    );
}

/// "attempt 1" stood twice in the original's timeline, and scopes were lost.
#[tokio::test]
async fn polis_own_export_comes_back_once_in_its_scopes_and_is_checked() {
    let listener = verifying().await;
    listener.respond([500, 200]).unwrap();
    for _ in 0..2 {
        Sent::number("msg_1", 863).to(&listener).await;
    }
    let sent = client().post(listener.url() + "/in/acme/a").body("x");
    sent.send().await.unwrap();
    let archive = exported(&listener, "").await.to_string();

    let again = import(&listener, archive.clone()).await;
    assert_eq!(again.0, 303);
    assert_eq!(listener.requests().len(), 3);
    let page = get(&listener, "/?imported=0&known=3").await.1;
    assert!(page.contains("Imported 0 requests; 3 requests in the file were already kept."));

    let other = verifying().await;
    let by_api = || async {
        let url = other.page_url() + "/api/import";
        let answer = client()
            .post(url)
            .body(archive.clone())
            .send()
            .await
            .unwrap();
        serde_json::from_slice::<Value>(&answer.bytes().await.unwrap()).unwrap()
    };
    assert_eq!(
        by_api().await,
        json!({"imported": 3, "already_kept": 0, "scopes": ["acme", "default"]})
    );
    assert_eq!(
        by_api().await,
        json!({"imported": 0, "already_kept": 3, "scopes": []})
    );
    let requests = other.requests();
    let attempts: Vec<_> = requests
        .iter()
        .map(|record| record.delivery.as_ref().map(|delivery| delivery.attempt))
        .collect();
    assert_eq!(attempts, [Some(1), Some(2), None]);
    assert_eq!(&*requests[2].scope, "acme");
    assert!(
        requests[0]
            .diagnosis
            .as_ref()
            .unwrap()
            .text
            .starts_with("ok")
    );
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_with_the_reason_on_the_page() {
    let listener = Listener::start().await.unwrap();
    for (file, reason) in [
        ("", "there are no requests in the file"),
        ("not a log", "line 1 is not a line of a polis log"),
        (r#"{"log":{}}"#, "the HAR file has no log.entries"),
        (
            r#"{"log":{"entries":[{"request":{"method":"A B"}}]}}"#,
            "entry 1",
        ),
        (
            r#"{"log":{"entries":[{"request":{"method":"PUT","url":"/","postData":{"text":"*","_encoding":"base64"}}}]}}"#,
            "its body is not base64",
        ),
    ] {
        let (status, page) = import(&listener, file.to_owned()).await;
        assert_eq!(status, 422, "{file}");
        assert!(
            page.contains("Not imported") && page.contains(reason),
            "{page}"
        );
    }
    assert!(listener.requests().is_empty());
}
