//! Times of many single operations, and their percentiles.

use serde::{Deserialize, Serialize};

/// Times in microseconds, sorted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn new(mut times_us: Vec<u32>) -> Self {
        times_us.sort_unstable();
        Self(times_us)
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self::new([self.0, other.0].concat())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time in milliseconds that `per_thousand` of a thousand do not exceed.
    pub(crate) fn percentile_ms(&self, per_thousand: usize) -> f64 {
        let rank = (self.0.len() * per_thousand).div_ceil(1_000);
        let time = self.0.get(rank.saturating_sub(1)).or(self.0.last());
        time.map_or(f64::NAN, |us| f64::from(*us) / 1e3)
    }

    pub(crate) fn mean_us(&self) -> f64 {
        let sum: f64 = self.0.iter().map(|us| f64::from(*us)).sum();
        sum / self.0.len() as f64
    }
}

/// The median; the lower of two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}
