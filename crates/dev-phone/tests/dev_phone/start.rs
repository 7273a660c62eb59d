//! The program itself: its variables, what it prints, how it stops.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Output, Stdio},
};

use crate::desk::{FROM, SID, basic, encoded, messages};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev-phone"));
    command
        .env_clear()
        .env("HOST", "127.0.0.1")
        .env("PORT", "0")
        // Away from any .env file of a developer.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn ended(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn every_wrong_variable_is_named_at_once_and_the_token_is_not_shown() {
    let output = ended(program().envs([
        ("PORT", "ninety"),
        ("SMS_TWILIO_SID", "AC1"),
        ("SMS_TWILIO_TOKEN", "planted-token"),
        ("SMS_TWILIO_FROM_NUMBER", "5550006"),
        ("SMS_TWILIO_TO_NUMBER", "me"),
        ("REPLY_URL", "localhost:9000"),
        ("PHONE_TRIAL", "perhaps"),
    ]));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for name in [
        "PORT",
        "SMS_TWILIO_SID",
        "SMS_TWILIO_FROM_NUMBER",
        "SMS_TWILIO_TO_NUMBER",
        "REPLY_URL",
        "PHONE_TRIAL",
    ] {
        assert!(said.contains(name), "{name} in {said}");
    }
    assert!(!said.contains("planted-token"), "{said}");
}

#[test]
fn a_host_that_conda_sets_is_warned_of_and_a_wrong_flag_refused() {
    let mut child = program()
        .env("HOST", "x86_64-conda-linux-gnu")
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let warning = lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        warning.contains("WARN") && warning.contains("x86_64-conda-linux-gnu"),
        "{warning}"
    );
    let refused = ended(program().args(["--host", "nowhere"]));
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("HOST is \"nowhere\": it must be an IP"),
        "{said}"
    );
}

#[test]
fn it_prints_the_development_account_and_stops_when_asked() {
    let mut child = program().spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        said.push_str(&line);
        said.push('\n');
        if line.contains("replies go") {
            break;
        }
    }
    for part in [
        "SMS_TWILIO_SID=AC00000000000000000000000000000000",
        "SMS_TWILIO_TOKEN=dev-phone",
        "SMS_TWILIO_FROM_NUMBER=+15005550006",
        "SMS_TWILIO_TO_NUMBER=+15555550100",
        "SMS_TWILIO_BASE_URL=http://127.0.0.1:",
        "replies go to nowhere; set REPLY_URL",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let killed = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_busy_port_is_named_with_the_variable_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = ended(program().env("PORT", &port));
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&port) && said.contains("PORT"), "{said}");
}

/// Asks a phone to send a text; its answer's status line.
fn ask(address: &str, token: &str, form: &[(&str, &str)]) -> String {
    let body = encoded(form);
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        messages(".json"),
        basic(SID, token),
        body.len(),
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn neither_the_token_nor_numbers_nor_texts_are_logged() {
    let mut child = program()
        .env("SMS_TWILIO_TOKEN", "planted-token")
        .env("SMS_TWILIO_TO_NUMBER", "+4915112345678")
        .env("RUST_LOG", "trace")
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("replies go") {
        assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "{said}");
    }
    assert!(!said.contains("planted-token"), "{said}");
    let address = said
        .split("http://")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let text = [("From", FROM), ("Body", "planted-text")];
    for (to, status) in [("+4915112345678", "201"), ("+49 151 23456789", "400")] {
        let form: Vec<_> = text.into_iter().chain([("To", to)]).collect();
        let answer = ask(address, "planted-token", &form);
        assert!(answer.contains(status), "{answer}");
    }
    Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .unwrap();
    let logged = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(logged.contains("accepted a text"), "{logged}");
    assert!(logged.contains("refusal.code=21211"), "{logged}");
    for planted in ["planted-token", "planted-text", "15112345678", "23456789"] {
        assert!(!logged.contains(planted), "{planted} in {logged}");
    }
}
