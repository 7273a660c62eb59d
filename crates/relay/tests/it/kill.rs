//! The program itself, ended in the middle of an action by `kill -9`.

use std::{path::Path, process::Command};

use end_to_end::{PATIENCE, Program, free_ports, until};
use serde_json::json;
use webhooks_core::{
    Secret, rusqlite,
    testing::{Answer, Receiver},
};

use crate::rig::SECRET;

async fn start(directory: &Path, page: u16) -> Program {
    let mut program = Program::start("relay", directory, &[], &[]).unwrap();
    program
        .answers(&format!("http://127.0.0.1:{page}/"))
        .await
        .unwrap();
    program
}

/// A rule that tells the chat: `telling` is the end of that action, and the actions after it.
fn write_rules(directory: &Path, [listen, page]: [u16; 2], chat: &Receiver, telling: &str) {
    let rules = format!(
        r#"
        listen = "127.0.0.1:{listen}"
        page = "127.0.0.1:{page}"
        [source.numbers]
        verify = "standard"
        secret = "{SECRET}"
        [[rule]]
        name = "tell"
        source = "numbers"
        [[rule.action]]
        kind = "slack"
        url = "{}"
        {telling}
        "#,
        chat.url()
    );
    std::fs::write(directory.join("relay.toml"), rules).unwrap();
}

async fn draw(port: u16, id: &str) {
    let body = json!({"id": id, "event": "random_number:generate", "data": 863}).to_string();
    let secret: Secret = SECRET.parse().unwrap();
    let at = jiff::Timestamp::now().as_second();
    let signature = webhooks_core::signature::sign(&[secret], id, at, body.as_bytes());
    let sent = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/numbers"))
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
}

#[tokio::test]
async fn an_action_that_a_kill_interrupts_is_done_after_the_restart_and_says_its_doubt() {
    let chat = Receiver::start().await.unwrap();
    chat.respond([Answer::hang(), Answer::status(200).body("ok")]);
    let directory = tempfile::tempdir().unwrap();
    let [listen, page] = free_ports().unwrap();
    let action = r#"
        text = "The number {{ data }}"
        [[rule.action]]
        kind = "file"
        path = "numbers.jsonl"
        "#;
    write_rules(directory.path(), [listen, page], &chat, action);
    let mut program = start(directory.path(), page).await;
    draw(listen, "first").await;
    chat.wait_for(1).await;
    program.kill().await.unwrap();
    let program = start(directory.path(), page).await;
    // What was acknowledged before is not taken a second time.
    draw(listen, "first").await;
    let requests = chat.wait_for(2).await;
    assert_eq!(requests[0].json()["text"], "The number 863");
    let text = requests[1].json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("The number 863") && text.contains("may be a repeat"),
        "{text}"
    );
    let file = directory.path().join("numbers.jsonl");
    let written = || async {
        let text = std::fs::read_to_string(&file)?;
        anyhow::ensure!(text.ends_with('\n'), "it is {text:?}");
        Ok(())
    };
    until("the line", PATIENCE, written).await.unwrap();
    program.stop().await.unwrap();
    assert_eq!(chat.requests().len(), 2);
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 1);
}

/// Lines and rows once each, messages once each unless they say that they may be repeats.
#[tokio::test]
async fn kills_again_and_again_lose_nothing_and_repeat_nothing_in_silence() {
    const ROUNDS: usize = 6;
    const EVENTS_A_ROUND: usize = 10;
    let chat = Receiver::start().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let [listen, page] = free_ports().unwrap();
    let actions = r#"
        text = "{{ id }}"
        per_second = 1000
        [[rule.action]]
        kind = "file"
        path = "numbers.jsonl"
        [[rule.action]]
        kind = "database"
        url = "sqlite:numbers.db"
        table = "draw"
        key = "id"
        columns.id = { type = "text", value = "id" }
        "#;
    write_rules(directory.path(), [listen, page], &chat, actions);
    for round in 0..ROUNDS {
        let mut program = start(directory.path(), page).await;
        for number in 0..EVENTS_A_ROUND {
            draw(listen, &format!("{round}-{number}")).await;
        }
        // In the middle of the round's actions, at another place each time.
        chat.wait_for(round * EVENTS_A_ROUND + round + 1).await;
        program.kill().await.unwrap();
    }
    let program = start(directory.path(), page).await;
    let database = directory.path().join("numbers.db");
    let rows = || async {
        let connection = rusqlite::Connection::open(&database)?;
        let rows: u32 = connection.query_row("select count(*) from draw", [], |row| row.get(0))?;
        anyhow::ensure!(rows as usize == ROUNDS * EVENTS_A_ROUND, "{rows} rows");
        Ok(())
    };
    until("every row", PATIENCE, rows).await.unwrap();
    program.stop().await.unwrap();
    let text = std::fs::read_to_string(directory.path().join("numbers.jsonl")).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
        .collect();
    assert_eq!(lines.len(), ROUNDS * EVENTS_A_ROUND);
    lines.sort();
    lines.dedup();
    assert_eq!(
        lines.len(),
        ROUNDS * EVENTS_A_ROUND,
        "no line is there twice"
    );
    let silent = chat.requests().into_iter().filter_map(|request| {
        let text = request.json()["text"].as_str().unwrap().to_owned();
        (!text.contains("may be a repeat")).then_some(text)
    });
    let mut silent: Vec<String> = silent.collect();
    let messages = silent.len();
    silent.sort();
    silent.dedup();
    assert_eq!(silent.len(), messages, "no message is repeated in silence");
}

#[test]
fn a_wrong_file_stops_the_program_before_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_relay"))
            .args(arguments)
            .current_dir(directory.path())
            .output()
            .unwrap()
    };
    let none = run(&[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("relay.toml can't be read"));
    let good = format!(
        "[source.numbers]\nverify = \"standard\"\nsecret = \"{SECRET}\"\n[[rule]]\nname = \"keep\"\nsource = \"numbers\"\n[[rule.action]]\nkind = \"file\"\npath = \"x.jsonl\"\n"
    );
    std::fs::write(directory.path().join("relay.toml"), &good).unwrap();
    let checked = run(&["check"]);
    assert_eq!(
        String::from_utf8_lossy(&checked.stdout),
        "relay.toml is valid\n"
    );
    std::fs::write(
        directory.path().join("event.json"),
        r#"{"id":"a","event":"draw","data":7}"#,
    )
    .unwrap();
    let tried = run(&["try", "keep", "--event", "event.json"]);
    let text = String::from_utf8_lossy(&tried.stdout).into_owned();
    assert!(
        text.contains("append to x.jsonl") && text.contains(r#""data":7"#),
        "{text}"
    );
    std::fs::write(
        directory.path().join("relay.toml"),
        good.replace("path", "pat"),
    )
    .unwrap();
    let wrong = run(&["check"]);
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text.contains("relay.toml:9: unknown key \"pat\"; did you mean \"path\"?"),
        "{text}"
    );
}
