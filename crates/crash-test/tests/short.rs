//! A short form of scripts/crash-test: every named place twice, and as many kills at random.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[tokio::test]
async fn twenty_kills_lose_nothing() {
    let seed = match std::env::var("CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_crash-test"));
    let report = crash_test::lives::live(program, 20, seed).await.unwrap();
    assert!(report.is_clean(), "CRASH_SEED={seed}\n{report}");
    assert!(
        report.acknowledged.len() > 20,
        "the lives were too short to tell anything\n{report}"
    );
}
