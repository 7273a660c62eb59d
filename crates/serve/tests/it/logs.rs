//! What the log says of requests, and what it keeps to itself.

use std::{
    io,
    process::Command,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    routing::{get, post},
};
use http::{Request, Response};
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Everything that is logged while the requests are answered.
async fn logged(requests: Vec<Request<Body>>) -> (String, Vec<Response<Body>>) {
    let number = |Path(number): Path<String>| async move {
        tracing::info!("a handler says something");
        number
    };
    let panics = |body: String| async move {
        assert!(body.is_empty(), "{body}");
    };
    let router = serve::protect(
        Router::new()
            .route("/phones/{number}", get(number))
            .route("/panics", post(panics)),
    );
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trace")
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut responses = Vec::new();
    for request in requests {
        responses.push(router.clone().oneshot(request).await.unwrap());
    }
    (log.text(), responses)
}

#[tokio::test]
async fn each_line_of_a_request_names_it_by_id_and_route() {
    let request = Request::get("/phones/+15550100150?token=planted")
        .body(Body::empty())
        .unwrap();
    let (log, responses) = logged(vec![request]).await;
    let id = responses[0].headers()["x-request-id"].to_str().unwrap();
    for text in ["a handler says something", "answered a request"] {
        let line = log.lines().find(|line| line.contains(text)).unwrap();
        assert!(line.contains(id), "{line}");
        assert!(line.contains("/phones/{number}"), "{line}");
    }
    assert!(log.contains("status=200"), "{log}");
    assert_eq!(log.matches("answered a request").count(), 1, "{log}");
    for secret in ["5550100150", "planted"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test]
async fn a_panic_is_logged_with_its_request_and_without_its_text() {
    let request = Request::post("/panics")
        .body(Body::from("planted"))
        .unwrap();
    let (log, responses) = logged(vec![request]).await;
    assert_eq!(responses[0].status(), 500);
    let id = responses[0].headers()["x-request-id"].to_str().unwrap();
    let line = log.lines().find(|line| line.contains("panicked")).unwrap();
    assert!(line.contains("ERROR") && line.contains(id), "{line}");
    assert!(!log.contains("planted"), "{log}");
}

const CHILD: &str = "logs::child_that_logs";

/// What a program logs to standard error with `RUST_LOG` set to `filter`.
fn child_log(filter: &str) -> String {
    child(&[CHILD], filter, &[])
}

fn child(test: &[&str], filter: &str, variables: &[(&str, &str)]) -> String {
    // A process of its own, because logging is set up once in a process.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(test)
        .args(["--exact", "--ignored", "--nocapture"])
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("RUST_LOG", filter)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(!stdout.contains("a line"), "{stdout}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn logs_go_to_standard_error_as_far_as_rust_log_asks() {
    let log = child_log("");
    assert!(
        log.contains("INFO") && log.contains("a line for everyone"),
        "{log}"
    );
    assert!(!log.contains("a line for the curious"), "{log}");
    assert!(
        !log.contains('\u{1b}'),
        "colours only on a terminal: {log:?}"
    );
    assert!(child_log("debug").contains("a line for the curious"));
    assert!(!child_log("off").contains("a line"));
}

#[test]
fn a_narrated_line_is_the_local_time_and_a_sentence_and_its_fields_come_with_debug() {
    let log = narrated("", &[]);
    let [fact, warning] = log.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {log}");
    };
    let (time, sentence) = fact.split_once(' ').unwrap();
    assert_eq!(sentence, "548 handed over");
    assert_eq!(time.len(), "23:59:59.123".len(), "{time}");
    assert!(
        warning.ends_with("WARN 548 refused event.id=\"e1\""),
        "{warning}"
    );

    let log = narrated("debug", &[]);
    assert!(log.contains("548 handed over event.id=\"e1\""), "{log}");
    assert!(log.contains("DEBUG a detail"), "{log}");
}

#[test]
fn a_narrated_line_is_in_local_time() {
    let hour = |zone| narrated("", &[("TZ", zone)])[..2].parse::<i32>().unwrap();
    // Read one after the other: the hour may turn in between.
    let apart = (hour("Etc/GMT-5") - hour("Etc/GMT+0")).rem_euclid(24);
    assert!((4..=6).contains(&apart), "{apart}");
}

#[test]
fn a_narrated_line_is_coloured_through_a_pipe_when_that_is_asked_for() {
    assert!(!narrated("", &[]).contains('\u{1b}'));
    assert!(narrated("", &[("CLICOLOR_FORCE", "1")]).contains("\u{1b}[33mWARN"));
    assert!(!narrated("", &[("CLICOLOR_FORCE", "0")]).contains('\u{1b}'));
    let neither = [("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")];
    assert!(!narrated("", &neither).contains('\u{1b}'));
}

fn narrated(filter: &str, variables: &[(&str, &str)]) -> String {
    child(&["logs::child_that_narrates"], filter, variables)
}

#[test]
#[ignore = "run by the tests above, with RUST_LOG in its environment"]
fn child_that_narrates() {
    serve::narrate("info").unwrap();
    tracing::info!(event.id = "e1", "548 handed over");
    tracing::warn!(event.id = "e1", "548 refused");
    tracing::debug!("a detail");
}

#[test]
fn a_wrong_rust_log_is_named() {
    let log = child_log("logs=loud");
    assert!(
        log.contains("RUST_LOG is \"logs=loud\", which is not a filter"),
        "{log}"
    );
}

#[test]
#[ignore = "run by the tests above, with RUST_LOG in its environment"]
fn child_that_logs() {
    if let Err(error) = serve::logs("info") {
        eprintln!("{error}");
        return;
    }
    tracing::info!("a line for everyone");
    tracing::debug!("a line for the curious");
    assert!(matches!(
        serve::logs("info"),
        Err(serve::LogsError::AlreadySet)
    ));
}
