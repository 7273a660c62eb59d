//! The program itself: its configuration, its log, its death and its return.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

use random_number_texter::system_clock;

use crate::{
    rig::{FROM, SID, TO, TOKEN, event, soon},
    twilio::{Answer, Twilio},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_random-number-texter"));
    command
        .env_clear()
        .current_dir(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

struct Running {
    child: Child,
    log: BufReader<ChildStderr>,
    url: String,
}

impl Running {
    /// Starts the program and waits until it listens.
    fn start(directory: &Path, twilio: &Twilio, more: &[(&str, &str)]) -> Self {
        let mut child = program(directory)
            .envs([
                ("SMS_TWILIO_SID", SID),
                ("SMS_TWILIO_TOKEN", TOKEN),
                ("SMS_TWILIO_FROM_NUMBER", FROM),
                ("SMS_TWILIO_TO_NUMBER", TO),
                ("SMS_TWILIO_BASE_URL", &format!("http://{}", twilio.address)),
                ("PORT", "0"),
                ("RUST_LOG", "debug"),
            ])
            .envs(more.iter().copied())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("the texter accepts webhooks at ") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        }
        let (_, url) = line.split_once("webhooks at ").unwrap();
        let url = url.trim().to_owned();
        Self { child, log, url }
    }

    /// Ends it at once, as a power cut would.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and returns its exit code and the rest of its log.
    fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(asked.success());
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Running {
    /// A test that failed leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn post(url: String, body: String) -> Result<reqwest::Response, reqwest::Error> {
    reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_twilio_is_asked_ends_in_one_text() {
    let directory = tempfile::tempdir().unwrap();
    let twilio = Twilio::start(system_clock()).await;
    twilio.answer([Answer::Silence { made: true }]);
    let running = Running::start(directory.path(), &twilio, &[]);
    let sender = tokio::spawn(post(format!("{}/", running.url), event("a", 641)));
    twilio.posted(1).await;
    running.kill();
    assert!(soon(sender).await.unwrap().is_err(), "nobody answered");

    let running = Running::start(directory.path(), &twilio, &[]);
    // What was left in doubt is settled without another webhook.
    let mut events = reqwest::get(format!("{}/texts/a/events", running.url))
        .await
        .unwrap();
    let mut told = String::new();
    soon(async {
        while !told.contains("\"status\":\"queued\"") {
            let bytes = events.chunk().await.unwrap().expect("it goes on");
            told.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    })
    .await;
    let answered = post(format!("{}/", running.url), event("a", 641))
        .await
        .unwrap();
    assert_eq!(answered.status(), 201);
    assert_eq!(twilio.posts(), 1);
    assert_eq!(running.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_why_and_gives_nothing_away() {
    let directory = tempfile::tempdir().unwrap();
    let twilio = Twilio::start(system_clock()).await;
    let secrets = [("WEBHOOK_SECRET", SECRET), ("TEXTER_STORE", ":memory:")];
    let running = Running::start(directory.path(), &twilio, &secrets);
    let refused = post(running.url.clone(), event("a", 1)).await.unwrap();
    assert_eq!(refused.status(), 401);
    let (code, log) = running.stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("`webhook-signature` is missing"), "{log}");

    let open = [("TEXTER_STORE", ":memory:")];
    let running = Running::start(directory.path(), &twilio, &open);
    twilio.answer([
        Answer::Fail(500, 20500, "for +15555550100"),
        Answer::Fail(400, 21211, "The 'To' number +15555550100 is not valid."),
    ]);
    for status in [503, 202] {
        let answered = post(running.url.clone(), event("a", 1)).await.unwrap();
        assert_eq!(answered.status(), status);
    }
    let (_, log) = running.stop();
    assert!(
        log.contains("21211") && log.contains("event.id=\"a\""),
        "{log}"
    );
    for planted in [TOKEN, "5555550100", "5005550006", SECRET] {
        assert!(!log.contains(planted), "{planted} is in the log: {log}");
    }
}

#[test]
fn everything_wrong_is_told_at_once_with_exit_code_2() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join(".env"),
        "SMS_TWILIO_TO_NUMBER=planted\n",
    )
    .unwrap();
    let output = program(directory.path())
        .envs([("PORT", "many"), ("WEBHOOK_SECRET", "planted")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    for wrong in [
        "SMS_TWILIO_SID is not set",
        "SMS_TWILIO_TOKEN is not set",
        "SMS_TWILIO_FROM_NUMBER is not set",
        "SMS_TWILIO_TO_NUMBER must be",
        "PORT is \"many\"",
        "WEBHOOK_SECRET",
    ] {
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
    assert!(!told.contains("planted"), "{told}");
}

#[test]
fn a_broken_env_file_is_named_without_its_contents() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), "SMS_TWILIO_TOKEN 'planted\n").unwrap();
    let output = program(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(".env") && !told.contains("planted"), "{told}");
}

#[test]
fn help_explains_every_variable() {
    let directory = tempfile::tempdir().unwrap();
    let output = program(directory.path()).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("SMS_DAILY_LIMIT") && help.contains("TEXTER_STORE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_texter_that_is_down_on_purpose_refuses_connections_and_still_stops() {
    let directory = tempfile::tempdir().unwrap();
    let twilio = Twilio::start(system_clock()).await;
    let running = Running::start(directory.path(), &twilio, &[]);
    let url = running.url.clone();
    let answered = post(format!("{url}/down"), String::new()).await.unwrap();
    assert_eq!(answered.status(), 202);
    assert_eq!(answered.text().await.unwrap(), r#"{"seconds":20}"#);
    soon(async {
        // Until the listener is gone, an answer may still come.
        while !post(url.clone(), event("a", 641))
            .await
            .is_err_and(|error| error.is_connect())
        {}
    })
    .await;
    let (code, log) = running.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("down for 20 s, as requested"), "{log}");
}
