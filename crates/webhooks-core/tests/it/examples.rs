//! The examples run, and say what their documentation promises.
#![cfg(feature = "testing")]

use std::{path::PathBuf, process::Command};

use webhooks_core::testing::Receiver;

/// Cargo puts examples beside the folder of the test that runs.
pub(crate) fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: cargo build --examples builds it",
        program.display()
    );
    Command::new(program)
}

fn output(name: &str) -> String {
    let output = example(name).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn hello_prints_the_body_of_the_talk() {
    let printed = output("hello");
    assert!(
        printed.contains(r#""event":"random_number:generate","data":863}"#),
        "{printed}"
    );
    assert!(printed.contains("webhook-signature: v1,"), "{printed}");
}

#[test]
fn transaction_stores_both_or_neither() {
    let printed = output("transaction");
    assert!(
        printed.contains("rolled back with its row: 13 is not for texting"),
        "{printed}"
    );
    assert!(printed.ends_with("1 event arrived\n"), "{printed}");
}

#[test]
fn ordered_shows_the_blocked_head_and_skips_it() {
    let printed = output("ordered");
    assert!(
        printed.contains(r#"arrived: ["first", "second"]"#),
        "{printed}"
    );
    assert!(
        printed.contains("third: held: an earlier delivery to this ordered endpoint"),
        "{printed}"
    );
    assert!(
        printed.ends_with("skipped second; arrived: [\"first\", \"second\", \"third\"]\n"),
        "{printed}"
    );
}

#[test]
fn testing_moves_the_clock_over_two_retries() {
    assert!(output("testing").ends_with("attempt 3: Success\ndelivered: true\n"));
}

#[tokio::test]
async fn the_random_number_generator_prints_the_number_it_sends() {
    let receiver = Receiver::start().await.unwrap();
    let url = receiver.url();
    let run = tokio::task::spawn_blocking(move || {
        example("random_number_generator")
            .arg(url)
            .output()
            .unwrap()
    });
    let output = run.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let number: u32 = String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(number < 1000);
    assert_eq!(receiver.requests()[0].json()["data"], number);
}

#[tokio::test]
async fn the_random_number_generator_says_that_nobody_listens() {
    let address = Receiver::start().await.unwrap().address();
    let run = tokio::task::spawn_blocking(move || {
        example("random_number_generator")
            .arg(format!("http://{address}"))
            .output()
            .unwrap()
    });
    let output = run.await.unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("connection refused"), "{said}");
}
