//! Metrics for dashboards and alerts, through the [`metrics`](https://docs.rs/metrics) facade. The chapter
//! "Operating it" of the guide explains each of them.
//!
//! Without the feature `metrics` everything here is empty and is optimised away.

#[cfg(not(feature = "metrics"))]
pub(crate) mod absent;
#[cfg(feature = "metrics")]
pub(crate) mod emitted;
#[cfg(feature = "metrics")]
pub(crate) mod gauges;

#[cfg(not(feature = "metrics"))]
pub(crate) use absent::{CommitClock, accepted, attempted, watch};
#[cfg(feature = "metrics")]
pub(crate) use emitted::{CommitClock, accepted, attempted};
#[cfg(feature = "metrics")]
pub(crate) use gauges::watch;
