//! Runs a property for a bounded number of inputs, or for longer on request.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::time::{Duration, Instant};

const CASES: u32 = 512;

/// Checks a property for [`CASES`] inputs, and for more until `FUZZ_SECONDS` are over.
pub(crate) fn fuzz<S: Strategy>(
    inputs: &S,
    property: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(0, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        if let Err(failure) = TestRunner::new(config).run(inputs, &property) {
            panic!("{failure}");
        }
        if Instant::now() >= end {
            return;
        }
    }
}
