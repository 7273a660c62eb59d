//! The program itself: its lines, its exit codes.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::wire::client;

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polis"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts on free ports and returns the capture URL that the ready line names.
fn started(arguments: &[&str]) -> (Program, String, BufReader<std::process::ChildStderr>) {
    let mut child = command(&[arguments, &["--port", "0"]].concat())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut ready = String::new();
    lines.read_line(&mut ready).unwrap();
    let url = ready
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap_or_else(|| panic!("no URL in {ready:?}"))
        .to_owned();
    (Program(child), url, lines)
}

#[tokio::test]
async fn a_request_is_logged_before_polis_sleeps_and_nothing_raw_reaches_the_terminal() {
    let (_program, url, mut lines) = started(&["--sleep", "3600"]);
    let sending = tokio::spawn(
        client()
            .post(url + "/hooks")
            .header("webhook-id", "m1")
            .header("authorization", "Bearer hidden-token")
            .header("content-type", "application/json")
            .body("{\"event\":\"random_number:generate\",\"x\":\"\\u001b[31m\u{9b}31m\"}")
            .send(),
    );
    let logged = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        while !text.contains("\n  }\n") {
            assert!(
                lines.read_line(&mut text).unwrap() > 0,
                "the log ended: {text}"
            );
        }
        text
    })
    .await
    .unwrap();
    sending.abort();
    assert!(
        logged.contains("#1 POST /hooks 56 B json  random_number:generate\n"),
        "{logged}"
    );
    assert!(
        logged.contains("  authorization: Bearer [redacted: 12 bytes]\n"),
        "{logged}"
    );
    assert!(
        logged.contains("    \"event\": \"random_number:generate\",\n"),
        "{logged}"
    );
    assert!(logged.contains("\\x9b31m"), "{logged}");
    assert!(
        !logged
            .chars()
            .any(|letter| letter.is_control() && letter != '\n'),
        "{logged:?}"
    );
}

#[tokio::test]
async fn json_writes_one_object_a_line_on_stdout() {
    let (mut program, url, _lines) = started(&["--json"]);
    client().post(url).body("hello").send().await.unwrap();
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let arrived = next();
    assert_eq!(arrived["what"], "arrived");
    assert_eq!(arrived["request"]["body"]["text"], "hello");
    let answered = next();
    assert_eq!(answered["what"], "answered");
    assert_eq!(answered["id"], arrived["request"]["id"]);
    assert_eq!(answered["answer"]["status"], 200);
}

#[test]
fn wrong_values_and_busy_ports_end_it_with_a_sentence() {
    let output = command(&["--port", "abc", "--respond", "9"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.contains("--port is \"abc\"") && told.contains("--respond: \"9\""),
        "{told}"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(&["--port", &port, "--ui-port", "0"])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains(&port) && told.contains("PORT"), "{told}");
}

#[test]
fn help_is_short_and_has_examples() {
    let output = command(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(help.contains("Examples:"), "{help}");
    assert!(help.lines().count() < 100, "{help}");
}

#[test]
fn it_stops_at_sigterm_with_success() {
    let (mut program, _url, mut lines) = started(&[]);
    let id = program.0.id().to_string();
    assert!(Command::new("kill").arg(&id).status().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(program.0.wait().unwrap().success(), "{rest}");
}
