//! ls, show, export and wait.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use polis::Listener;
use serde_json::Value;

use crate::run::polis;

pub(crate) async fn post(
    listener: &Listener,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static [u8],
) {
    let mut request = reqwest::Client::new()
        .post(listener.url() + path)
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap();
}

/// Two numbers and something else.
pub(crate) async fn filled() -> Listener {
    let listener = Listener::start().await.unwrap();
    listener.respond([500, 200]).unwrap();
    let bearer = ("authorization", "Bearer secret-token");
    let one = br#"{"event":"random_number:generate","data":863}"#;
    let two = br#"{"event":"random_number:generate","data":7}"#;
    post(&listener, "/hooks", &[("webhook-id", "m1"), bearer], one).await;
    post(&listener, "/hooks", &[("webhook-id", "m1"), bearer], two).await;
    post(&listener, "/other", &[], b"it's \x1b[31m red").await;
    listener.wait_for(3).await.unwrap();
    listener
}

#[tokio::test]
async fn ls_lists_the_newest_last_and_filters() {
    let listener = filled().await;
    let all = polis(&["ls"]).at(&listener).end().await;
    let lines: Vec<&str> = all.text(0).lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].contains("#1 POST /hooks 45 B json  random_number:generate  -> 500 after"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("attempt 2, +") && lines[1].contains("-> 200 after"),
        "{lines:?}"
    );

    let failed = polis(&["ls", "--status", "5xx", "--path", "/h*", "--json"])
        .at(&listener)
        .end()
        .await
        .json(0);
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (&failed[0]["id"], &failed[0]["delivery"]["id"]),
        (&1.into(), &"m1".into())
    );
    let newest = polis(&["ls", "--limit", "1", "-q", "863"])
        .at(&listener)
        .end()
        .await;
    assert!(newest.text(0).contains(" #1 "), "{newest:?}");
    let wrong = polis(&["ls", "--status", "abc"]).at(&listener).end().await;
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("a class like 5xx"), "{wrong:?}");
}

#[tokio::test]
async fn ls_follows_what_arrives_and_is_answered() {
    let listener = filled().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_polis"))
        .args(["ls", "--follow", "--path", "/hooks", "--limit", "1"])
        .env_clear()
        .env("POLIS_API", listener.page_url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (first, mut lines) = tokio::task::spawn_blocking(move || (lines.next(), lines))
        .await
        .unwrap();
    assert!(first.unwrap().unwrap().contains(" #2 "));
    post(&listener, "/elsewhere", &[], b"").await;
    post(&listener, "/hooks", &[], b"new").await;
    // One line if the answer was already there when the arrival was reported, else two.
    let reading = tokio::task::spawn_blocking(move || {
        let arrived = lines.next()?.ok()?;
        match arrived.contains("-> 500 after") {
            true => Some(arrived),
            false => Some(arrived + &lines.next()?.ok()?),
        }
    });
    let told = tokio::time::timeout(Duration::from_secs(10), reading).await;
    // Also ends a reader that is still waiting.
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.expect("nothing was told").unwrap().unwrap();
    assert!(told.contains(" #5 POST /hooks 3 B text"), "{told}");
    assert!(told.contains("-> 500 after"), "{told}");
}

#[tokio::test]
async fn show_prints_like_the_log_and_hides_credentials_and_control_characters() {
    let listener = filled().await;
    let shown = polis(&["show", "1"]).at(&listener).end().await;
    let text = shown.text(0);
    assert!(text.contains("  webhook-id: m1\n"), "{text}");
    assert!(text.contains("    \"data\": 863\n"), "{text}");
    assert!(
        text.contains("authorization: Bearer [redacted: 12 bytes]"),
        "{text}"
    );
    assert!(text.contains("#1 -> 500 after"), "{text}");
    let asked = polis(&["show", "1", "--show-secrets"])
        .at(&listener)
        .end()
        .await;
    assert!(asked.text(0).contains("Bearer secret-token"));
    let harmful = polis(&["show", "3"]).at(&listener).end().await;
    assert!(
        harmful.text(0).contains("it's \\x1b[31m red"),
        "{harmful:?}"
    );

    let data = polis(&["show", "3", "--json"])
        .at(&listener)
        .end()
        .await
        .json(0);
    assert_eq!(data[0]["body"]["text"], "it's \u{1b}[31m red");
    let missing = polis(&["show", "99"]).at(&listener).end().await;
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("no request #99"), "{missing:?}");
}

#[tokio::test]
async fn show_raw_gives_the_exact_bytes() {
    let listener = Listener::start().await.unwrap();
    let body: &[u8] = b"\xff\0\r\n\x1b[31m";
    post(&listener, "/b?x=1", &[("x-one", "1")], body).await;
    let raw = polis(&["show", "1", "--raw"]).at(&listener).end().await;
    assert_eq!((raw.code, raw.stdout.as_slice()), (0, body));
    let whole = polis(&["show", "1", "--headers", "--raw"])
        .at(&listener)
        .end()
        .await;
    assert!(
        whole.stdout.starts_with(b"POST /b?x=1 HTTP/1.1\r\n"),
        "{whole:?}"
    );
    assert!(
        whole.stdout.ends_with(&[b"\r\n\r\n", body].concat()),
        "{whole:?}"
    );
}

/// The command is run by a real shell with the real curl; what arrives must be the same.
#[tokio::test]
async fn show_curl_sends_the_same_request_whatever_is_in_it() {
    let listener = Listener::start().await.unwrap();
    let evil = "a'b\"; touch /tmp/polis-was-here; $(id) `id` \\ %s {1,2}[3] ü\nnext";
    let bodies: [&'static [u8]; 4] = [
        evil.as_bytes(),
        b"@/etc/passwd",
        b"\x00\xff'%\\\x1b[31m\n",
        b"",
    ];
    for body in bodies {
        post(
            &listener,
            "/in'it?a=%27b",
            &[("x-quote", "it's"), ("x-empty", "")],
            body,
        )
        .await;
    }
    for id in 1..=bodies.len() {
        let command = polis(&["show", &id.to_string(), "--curl"])
            .at(&listener)
            .end()
            .await;
        let command = command.text(0).to_owned();
        assert!(
            !command
                .chars()
                .any(|letter| letter.is_control() && letter != '\n'),
            "{command:?}"
        );
        tokio::task::spawn_blocking(move || {
            Command::new("sh").args(["-c", &command]).output().unwrap()
        })
        .await
        .unwrap();
    }
    let requests = listener.wait_for(bodies.len() * 2).await.unwrap();
    let (sent, again) = requests.split_at(bodies.len());
    for (sent, again) in sent.iter().zip(again) {
        assert_eq!(sent.body, again.body);
        assert_eq!(
            (sent.method(), sent.target()),
            (again.method(), again.target())
        );
        let headers = |record: &polis::Record| {
            let mut headers: Vec<_> = record
                .headers()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
                .collect();
            headers.sort();
            headers
        };
        assert_eq!(headers(sent), headers(again));
    }
}

/// Requests that differ in something that none of their fields shows.
#[tokio::test]
async fn export_writes_a_har_and_a_log() {
    let listener = filled().await;
    let file = tempfile::Builder::new().suffix(".har").tempfile().unwrap();
    let path = file.path().to_str().unwrap();
    let told = polis(&["export", "-o", path]).at(&listener).end().await;
    assert_eq!((told.code, told.stdout.len()), (0, 0), "{told:?}");
    assert!(told.stderr.contains("3 requests"), "{told:?}");
    let har: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(har["log"]["version"], "1.2");
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    let first = &entries[0];
    assert_eq!(first["request"]["url"], listener.url() + "/hooks");
    assert_eq!(
        first["request"]["postData"]["text"],
        r#"{"event":"random_number:generate","data":863}"#
    );
    assert_eq!(first["response"]["status"], 500);
    assert!(
        first["response"]["content"]["text"]
            .as_str()
            .unwrap()
            .contains("863")
    );
    assert!(!har.to_string().contains("secret-token"));

    let log = polis(&["export", "--path", "/hooks"])
        .at(&listener)
        .end()
        .await
        .json(0);
    let what: Vec<&Value> = log.iter().map(|line| &line["what"]).collect();
    assert_eq!(what, ["arrived", "answered", "arrived", "answered"]);
    assert_eq!(log[2]["request"]["id"], 2);
    let empty = polis(&["export", "--format", "har", "--path", "/none"])
        .at(&listener)
        .end()
        .await;
    let har: Value = serde_json::from_str(empty.text(0)).unwrap();
    assert_eq!(har["log"]["entries"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn wait_tells_ci_whether_they_came() {
    let listener = filled().await;
    let came = polis(&["wait", "--count", "2", "--event", "random_number:*"])
        .at(&listener)
        .end()
        .await;
    assert_eq!(came.text(0).lines().count(), 2);
    let not = polis(&[
        "wait",
        "--count",
        "3",
        "--event",
        "random_number:*",
        "--timeout",
        "50ms",
        "--json",
    ])
    .at(&listener)
    .end()
    .await;
    assert_eq!(not.json(1).len(), 2);
    assert!(
        not.stderr.contains("2 of 3 requests came within 50ms"),
        "{not:?}"
    );
}

#[tokio::test]
async fn a_polis_that_is_not_there_is_told_with_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("http://127.0.0.1:{port}");
    for verb in [
        &["ls"][..],
        &["show", "1"],
        &["wait"],
        &["export"],
        &["diff", "1", "2"],
    ] {
        let ran = polis(&[verb, &["--api", &url]].concat()).end().await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.stderr.contains(&url) && ran.stderr.contains("start one with `polis`"),
            "{ran:?}"
        );
    }
    // The port after PORT, as polis itself finds it.
    let before = (port - 1).to_string();
    let ran = polis(&["ls"]).variable("PORT", &before).end().await;
    assert!(ran.stderr.contains(&url), "{ran:?}");
    let wrong = polis(&["ls", "--api", "nonsense"]).end().await;
    assert!(wrong.stderr.contains("--api is \"nonsense\""), "{wrong:?}");
    // The capture port is not the API.
    let listener = Listener::start().await.unwrap();
    let ran = polis(&["ls", "--api", &listener.url()]).end().await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("not as polis does"), "{ran:?}");
    // What helps can be copied: the port after the one that captures.
    let (before, port) = listener.url().rsplit_once(':').map_or_else(
        || panic!("no port"),
        |(before, port)| (before.to_owned(), port.parse::<u16>().unwrap()),
    );
    let help = format!("POLIS_API={before}:{}", port + 1);
    assert!(ran.stderr.contains(&help), "{help} is not in {ran:?}");
}

#[tokio::test]
async fn a_reader_that_leaves_is_no_error() {
    let listener = filled().await;
    let mut child = Command::new(env!("CARGO_BIN_EXE_polis"))
        .arg("export")
        .env_clear()
        .env("POLIS_API", listener.page_url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[tokio::test]
async fn each_verb_has_short_help_with_an_example() {
    for verb in [
        "ls", "show", "diff", "export", "replay", "send", "sign", "verify", "wait",
    ] {
        let ran = polis(&[verb, "--help"]).end().await;
        let help = ran.text(0);
        assert!(
            help.contains("Example") && help.contains(&format!("polis {verb}")),
            "{help}"
        );
        assert!(help.lines().count() < 50, "{help}");
    }
}
