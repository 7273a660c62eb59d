//! A disk that is really full: a file system of four MiB, until somebody frees some space.
//!
//! The test runs the test named `child` in a mount namespace of its own, where it may mount.
#![cfg(all(feature = "testing", target_os = "linux"))]
#![allow(clippy::print_stdout)]

use std::{collections::BTreeSet, path::Path, process::Command};

use crate::world::{World, seconds};
use webhooks_core::{Event, SendError, StoreError};

/// Tells the child where its small disk is; without it the child does nothing.
const DISK: &str = "SMALL_DISK";
/// What stands on the disk besides the database, to be deleted in time.
const BALLAST_BYTES: usize = 2 * 1024 * 1024;
/// Sends that are refused before space is freed.
const REFUSALS: usize = 20;
/// Many times what the disk takes.
const SENDS_MAX: usize = 2_000;

/// Not a test: what the test runs.
#[tokio::test]
#[ignore = "run by the test beside it, on a small disk"]
async fn child() {
    let Ok(disk) = std::env::var(DISK) else {
        return;
    };
    let disk = Path::new(&disk);
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST_BYTES]).unwrap();
    let world = World::on_file(&disk.join("w.db")).await;
    world.endpoint(|endpoint| endpoint).await;
    let mut acknowledged = BTreeSet::new();
    let mut refused = 0;
    for number in 0..SENDS_MAX {
        let id = format!("e{number}");
        let event = Event::new("random_number:generate", &"x".repeat(2_000)).id(&id);
        match world.webhooks.send("acme", event).await {
            Ok(_) => {
                acknowledged.insert(id);
            }
            Err(SendError::Store(StoreError::Full | StoreError::RolledBack)) => refused += 1,
            Err(error) => panic!("not said to be a full disk: {error}"),
        }
        if refused == REFUSALS {
            break;
        }
    }
    assert_eq!(refused, REFUSALS, "the disk did not fill");
    std::fs::remove_file(&ballast).unwrap();
    world.send("after").await;
    acknowledged.insert("after".to_owned());
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
    let arrived: BTreeSet<String> = world.receiver.event_ids().into_iter().collect();
    assert_eq!(arrived, acknowledged);
    world.webhooks.shutdown(seconds(5)).await;
    println!("recovered, {} acknowledged", acknowledged.len());
}

/// As root of a user namespace of its own, for those who are not root.
fn in_own_namespace(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount"])
        .args(arguments);
    command
}

/// Some systems forbid namespaces to users; where the project is checked it must not be skipped.
fn may_mount() -> bool {
    let tried = in_own_namespace(&["true"]).status();
    let allowed = tried.is_ok_and(|status| status.success());
    assert!(
        allowed || std::env::var_os("CI").is_none(),
        "unshare (util-linux) cannot make a mount namespace here"
    );
    allowed
}

#[tokio::test]
async fn a_full_file_system_refuses_sends_and_loses_nothing_that_was_acknowledged() {
    if !may_mount() {
        println!("skipped: unshare cannot make a mount namespace here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = in_own_namespace(&["sh", "-c"])
        .arg("mount -t tmpfs -o size=4m none \"$SMALL_DISK\" && exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "small_disk::child", "--ignored", "--nocapture"])
        .env(DISK, folder.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("recovered, "), "{said}");
}
