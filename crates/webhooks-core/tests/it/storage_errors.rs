//! Errors of the operating system while storing, not simulated ones: the kernel refuses to let
//! the database's files grow.
//!
//! A limit is of a whole process, so each test runs the test named `child` in one of its own.
#![cfg(all(feature = "testing", target_os = "linux"))]
#![allow(clippy::print_stdout)]

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use crate::world::{World, seconds};
use webhooks_core::{Event, SendError, StoreError, testing::ManualClock};

/// Tells the child which file to use; without it the child does nothing.
const FILE: &str = "STORAGE_ERRORS_FILE";
/// How the child ends: `recover` or `die`.
const END: &str = "STORAGE_ERRORS_END";
/// Some hundred commits of a few pages each; the write-ahead log gets there first.
const LIMIT_KIB: u32 = 3_000;
/// Sends that are refused before the child goes on.
const REFUSALS: usize = 20;
/// Many times what the limit takes.
const SENDS_MAX: usize = 2_000;

/// Runs the child under the limit. Writing beyond it must be an error, not a signal.
fn run_child(file: &Path, end: &str) -> Output {
    let limited = format!("trap '' XFSZ && ulimit -S -f {LIMIT_KIB} && exec \"$@\"");
    let program = std::env::current_exe().unwrap();
    Command::new("bash")
        .args(["-c", &limited, "bash"])
        .arg(program)
        .args([
            "--exact",
            "storage_errors::child",
            "--ignored",
            "--nocapture",
        ])
        .env(FILE, file)
        .env(END, end)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// The ids that follow `word` in what the child printed.
fn ids(said: &str, word: &str) -> BTreeSet<String> {
    said.lines()
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
        .map(str::to_owned)
        .collect()
}

fn lift_limit() {
    let process = std::process::id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &process])
        .status();
    assert!(lifted.unwrap().success());
}

/// Not a test: what the tests run.
#[tokio::test]
#[ignore = "run by the other tests, under a limit"]
async fn child() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let world = World::on_file(Path::new(&file)).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    let dies = std::env::var(END).unwrap() == "die";
    if dies {
        // What is acknowledged is then only in the file.
        world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    }
    let mut acknowledged = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for number in 0..SENDS_MAX {
        let id = format!("e{number}");
        let event = Event::new("random_number:generate", &"x".repeat(2_000)).id(&id);
        match world.webhooks.send("acme", event).await {
            Ok(_) => {
                println!("stored {id}");
                acknowledged.insert(id);
            }
            Err(SendError::Store(
                StoreError::Full | StoreError::RolledBack | StoreError::Database(_),
            )) => {
                println!("refused {id}");
                refused.insert(id);
            }
            Err(error) => panic!("{error}"),
        }
        if refused.len() == REFUSALS {
            break;
        }
    }
    assert_eq!(refused.len(), REFUSALS, "the limit was not reached");
    if dies {
        std::process::abort();
    }
    lift_limit();
    world.webhooks.drain().await;
    world.send("after").await;
    acknowledged.insert("after".to_owned());
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    let arrived = world.receiver.event_ids();
    let distinct: BTreeSet<String> = arrived.iter().cloned().collect();
    assert_eq!(distinct.len(), arrived.len(), "nothing came twice");
    assert_eq!(distinct, acknowledged);
    world.webhooks.shutdown(seconds(5)).await;
    println!("recovered");
}

#[tokio::test]
async fn sends_are_refused_while_the_kernel_refuses_and_all_goes_on_when_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_child(&folder.path().join("w.db"), "recover");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.lines().any(|line| line == "recovered"), "{said}");
    assert!(ids(&said, "stored").len() > REFUSALS, "{said}");
}

#[tokio::test]
async fn what_was_acknowledged_before_the_kernel_refused_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let output = run_child(&file, "die");
    let said = said(&output);
    assert!(!output.status.success(), "it is aborted: {said}");
    let (stored, refused) = (ids(&said, "stored"), ids(&said, "refused"));
    assert_eq!(refused.len(), REFUSALS, "{said}");
    assert!(stored.len() > REFUSALS, "{said}");
    let webhooks = crate::world::builder(&Arc::<ManualClock>::default())
        .open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    for id in &stored {
        let deliveries = webhooks.deliveries("acme", id).await.unwrap();
        assert_eq!(deliveries.len(), 1, "{id} was acknowledged and is lost");
    }
    for id in &refused {
        let deliveries = webhooks.deliveries("acme", id).await.unwrap();
        assert!(deliveries.is_empty(), "{id} was refused and is owed");
    }
    webhooks.shutdown(seconds(5)).await;
}
