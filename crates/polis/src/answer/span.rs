//! A time to sleep: fixed, or drawn from a range.

use std::{fmt, str::FromStr, time::Duration};

use rand::{Rng, RngExt};

/// A longer sleep outlasts every sender's time limit, and is more likely a typing error.
const LONGEST_S: f64 = 3600.0;

/// Seconds from `shortest` to `longest`, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeSpan {
    shortest: f64,
    longest: f64,
}

/// The text is not a number of seconds or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a number of seconds from 0 to {LONGEST_S}, nor a range like 1..5")]
pub(crate) struct SpanFault(String);

impl TimeSpan {
    /// A duration from the span.
    pub(crate) fn draw(&self, dice: &mut impl Rng) -> Duration {
        let seconds = if self.shortest < self.longest {
            dice.random_range(self.shortest..=self.longest)
        } else {
            self.shortest
        };
        Duration::from_secs_f64(seconds)
    }
}

impl FromStr for TimeSpan {
    type Err = SpanFault;

    fn from_str(text: &str) -> Result<Self, SpanFault> {
        let wrong = || SpanFault(text.to_owned());
        let seconds = |text: &str| {
            text.trim()
                .parse::<f64>()
                .ok()
                .filter(|seconds| (0.0..=LONGEST_S).contains(seconds))
                .ok_or_else(wrong)
        };
        let (shortest, longest) = match text.split_once("..") {
            Some((shortest, longest)) => (seconds(shortest)?, seconds(longest)?),
            None => (seconds(text)?, seconds(text)?),
        };
        if shortest > longest {
            return Err(wrong());
        }
        Ok(Self { shortest, longest })
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shortest < self.longest {
            write!(f, "{}..{}", self.shortest, self.longest)
        } else {
            write!(f, "{}", self.shortest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn a_range_is_drawn_from_and_a_number_is_fixed() {
        let mut dice = StdRng::seed_from_u64(1);
        let range: TimeSpan = "1..5".parse().unwrap();
        for _ in 0..100 {
            let drawn = range.draw(&mut dice).as_secs_f64();
            assert!((1.0..=5.0).contains(&drawn));
        }
        let fixed: TimeSpan = "0.5".parse().unwrap();
        assert_eq!(fixed.draw(&mut dice), Duration::from_millis(500));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "abc", "-1", "5..1", "NaN", "inf", "1..", "1e9"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
    }
}
