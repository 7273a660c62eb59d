//! When the engine was running and when it was not: while it is down, waiting deliveries are not tried, and they
//! must not be given up because of that.

/// A gap this long is more than a restart: after it, everything is tried before it can be given up.
const OUTAGE_LONG_MS: i64 = 10 * 60 * 1_000;
/// The maximum number of outages that are remembered separately; beyond that the oldest are merged.
pub(crate) const OUTAGES_MAX: usize = 256;

/// A time in which the engine was not running, on the timeline. A jump of the wall clock that is not followed by a
/// commit looks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) from: i64,
    pub(crate) until: i64,
}

/// The outages that matter, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Uptime {
    outages: Vec<Outage>,
}

impl Uptime {
    /// Built from the stored outages, oldest first, and the outage that ends now, if there was one.
    pub(crate) fn new(mut outages: Vec<Outage>, last: Option<Outage>) -> Self {
        outages.extend(last);
        while outages.len() > OUTAGES_MAX {
            let oldest = outages.remove(0);
            if let Some(next) = outages.first_mut() {
                // As long as both together, so that nothing is given up sooner.
                next.from -= oldest.until - oldest.from;
            }
        }
        Self { outages }
    }

    pub(crate) fn outages(&self) -> &[Outage] {
        &self.outages
    }

    /// The time from which, up to `now`, the engine has been running for `span_ms` in total.
    pub(crate) fn began(&self, now: i64, span_ms: i64) -> i64 {
        let (mut at, mut left) = (now, span_ms);
        for outage in self.outages.iter().rev() {
            let ran = at.saturating_sub(outage.until).max(0);
            if ran >= left {
                break;
            }
            left -= ran;
            at = at.min(outage.from);
        }
        at.saturating_sub(left)
    }

    /// The end of the last long outage; `None` if there was none.
    pub(crate) fn back_since(&self) -> Option<i64> {
        let long = |outage: &&Outage| outage.until - outage.from >= OUTAGE_LONG_MS;
        self.outages.iter().rev().find(long).map(|long| long.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uptime(outages: &[(i64, i64)]) -> Uptime {
        let outages = outages.iter().map(|(from, until)| Outage {
            from: *from,
            until: *until,
        });
        Uptime::new(outages.collect(), None)
    }

    #[test]
    fn only_time_in_which_the_engine_ran_is_counted() {
        assert_eq!(uptime(&[]).began(1_000, 300), 700);
        let twice = uptime(&[(100, 400), (600, 900)]);
        assert_eq!(twice.began(1_000, 50), 950);
        assert_eq!(twice.began(1_000, 100), 900);
        assert_eq!(twice.began(1_000, 150), 550);
        assert_eq!(twice.began(1_000, 300), 400);
        assert_eq!(twice.began(1_000, 350), 50);
    }

    #[test]
    fn outages_that_are_taken_together_are_as_long_as_they_were() {
        let outages: Vec<(i64, i64)> = (0..1_000).map(|n| (n * 100, n * 100 + 10)).collect();
        let uptime = uptime(&outages);
        assert_eq!(uptime.outages().len(), OUTAGES_MAX);
        let down: i64 = uptime.outages().iter().map(|o| o.until - o.from).sum();
        assert_eq!(down, 10_000);
        assert_eq!(uptime.began(100_000, 90_000), 0);
    }
}
