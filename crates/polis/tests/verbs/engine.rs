//! webhooks-core as the sender against `polis --respond 500x2,200`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use webhooks_core::{Event, NewEndpoint, RetrySchedule, Secret, Webhooks};

use crate::run::{SECRET, polis};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A polis on free ports, where it captures and where it shows.
fn started(arguments: &[&str]) -> (Program, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_polis"))
        .args(arguments)
        .args(["--port", "0", "--quiet"])
        .env_clear()
        .env("POLIS_SECRETS", SECRET)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let program = Program(child);
    let mut urls = ready
        .split_whitespace()
        .filter(|word| word.starts_with("http://"))
        .map(str::to_owned);
    let (capture, page) = (urls.next(), urls.next());
    assert!(page.is_some(), "no two URLs in {ready:?}");
    (program, capture.unwrap(), page.unwrap())
}

#[tokio::test]
async fn three_attempts_under_one_id_with_growing_gaps() {
    let (_program, url, api) = started(&["--respond", "500x2,200", "--verify", "standard"]);
    let waits = [Duration::from_millis(200), Duration::from_secs(2)];
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .retry(RetrySchedule::new(waits).unwrap())
        .open("sqlite::memory:")
        .await
        .unwrap();
    let secret: Secret = SECRET.parse().unwrap();
    webhooks
        .endpoints("acme")
        .add(NewEndpoint::new(url + "/hooks").secret(secret))
        .await
        .unwrap();
    webhooks
        .send("acme", Event::new("random_number:generate", &863))
        .await
        .unwrap();

    let waited = polis(&[
        "wait",
        "--count",
        "3",
        "--timeout",
        "30s",
        "--event",
        "random_number:generate",
        "--signature",
        "ok",
        "--json",
        "--api",
        &api,
    ])
    .end()
    .await
    .json(0);
    let id = waited[0]["delivery"]["id"].as_str().unwrap();
    // The third is awaited as arrived; the list is read when it is answered.
    polis(&["wait", "--status", "200", "--timeout", "30s", "--api", &api])
        .end()
        .await
        .text(0);
    let listed = polis(&["ls", "--delivery", id, "--json", "--api", &api])
        .end()
        .await
        .json(0);
    let of = |key: fn(&Value) -> &Value| -> Vec<&Value> { listed.iter().map(key).collect() };
    assert_eq!(of(|request| &request["delivery"]["attempt"]), [1, 2, 3]);
    assert_eq!(of(|request| &request["answer"]["status"]), [500, 500, 200]);
    assert!(
        listed
            .iter()
            .all(|request| request["delivery"]["header"] == "webhook-id")
    );
    let gap = |index: usize| listed[index]["delivery"]["gap_ms"].as_i64().unwrap();
    assert!(listed[0]["delivery"]["gap_ms"].is_null());
    assert!(
        gap(1) >= 200 && gap(2) >= 2000 && gap(2) > gap(1),
        "{listed:?}"
    );

    let lines = polis(&["ls", "--api", &api]).end().await;
    let lines: Vec<&str> = lines.text(0).lines().collect();
    assert!(
        lines[1].contains("sig ok (secret 1 of 1)  attempt 2, +0."),
        "{lines:?}"
    );
    assert!(
        lines[2].contains("attempt 3, +2.") && lines[2].contains("-> 200"),
        "{lines:?}"
    );
    let shown = polis(&["show", "3", "--api", &api]).end().await;
    let text = shown.text(0);
    assert!(
        text.contains(&format!("  webhook-id: {id}\n")) && text.contains("attempt 3"),
        "{text}"
    );
    // Each attempt is signed again; the body stays the same.
    let differences = polis(&["diff", "1", "3", "--json", "--api", &api])
        .end()
        .await
        .json(1);
    let places: Vec<&str> = differences
        .iter()
        .filter_map(|line| line["place"].as_str())
        .collect();
    assert!(places.contains(&"header.webhook-signature"), "{places:?}");
    assert!(
        !places.iter().any(|place| place.starts_with("body")),
        "{places:?}"
    );
    webhooks.shutdown(Duration::from_secs(1)).await;
}
