//! A short form of scripts/crash-test: on SQLite every named place twice, and as many kills at random;
//! on Postgres a few faults of one node, of several, and a replica that takes over.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crash_test::postgres::{
    fault::{Fault, Fence},
    run::{Settings, run},
};
use scratch_postgres::Replication;

fn seed() -> u64 {
    match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    }
}

#[tokio::test]
async fn twenty_kills_lose_nothing() {
    let seed = seed();
    let program = Path::new(env!("CARGO_BIN_EXE_crash-test"));
    let report = crash_test::lives::live(program, 20, seed).await.unwrap();
    assert!(report.is_clean(), "CRASH_SEED={seed}\n{report}");
    assert!(
        report.acknowledged.len() > 20,
        "the lives were too short to tell anything\n{report}"
    );
}

/// Lives through these faults, and keeps every promise.
async fn live_through(nodes: usize, faults: u32, kinds: Vec<Fault>, replica: Option<Replication>) {
    let seed = seed();
    let report = run(Settings {
        program: env!("CARGO_BIN_EXE_crash-test").into(),
        nodes,
        faults,
        kinds,
        replication: replica,
        fence: Fence::Kept,
        seed,
    });
    let report = report.await;
    let report = report.unwrap_or_else(|error| panic!("CRASH_SEED={seed}: {error:?}"));
    assert!(report.is_clean(), "CRASH_SEED={seed}\n{report}");
    assert!(
        report.balance.acknowledged > 20,
        "the faults came too fast to tell anything\n{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_faults_of_a_node_and_of_postgres_lose_nothing() {
    let kinds = vec![Fault::Kill, Fault::CutAtCommit, Fault::RestartAtCommit];
    live_through(1, 6, kinds, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_every_kind_of_three_nodes_lose_nothing() {
    live_through(3, 10, Fault::all(false), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_replica_that_takes_over_from_under_three_nodes_has_all() {
    // Mostly that one, at times while a node is out of reach.
    let kinds = vec![Fault::Promote, Fault::Stall];
    live_through(3, 4, kinds, Some(Replication::Synchronous)).await;
}
