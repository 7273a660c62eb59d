//! The talk's argument in figures: what it would have cost had the receiver polled for the numbers
//! that were actually drawn.
//!
//! A receiver that polls asks for the first time one interval after the button was started, and
//! then at every interval. A poll brings something new if a number was drawn since the previous
//! one.

use std::time::{Duration, SystemTime};

use crate::journey::{Journey, Standing};

/// The intervals to choose from, in seconds.
pub(crate) const INTERVALS_SECONDS: [u64; 5] = [1, 5, 30, 60, 300];
/// The interval that is shown first: short enough to count as quick.
pub(crate) const INTERVAL_DEFAULT_SECONDS: u64 = 5;

/// Polling compared with the webhooks that were sent for the same numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// The time between two polls.
    pub(crate) interval: Duration,
    /// When counting began.
    pub(crate) since: SystemTime,
    /// Numbers drawn since then.
    pub(crate) drawn: usize,
    /// Polls that would have been made.
    pub(crate) polls: u64,
    /// Those of them that would have brought something new.
    pub(crate) useful: u64,
    /// How late a number would have been learned, on average; `None` as long as none was.
    pub(crate) lateness: Option<Duration>,
    /// The measured time from the draw to the texter's answer, averaged over the numbers that the
    /// first attempt delivered.
    pub(crate) post: Option<Duration>,
    /// How many numbers that average covers.
    pub(crate) posts: usize,
}

/// Compares over `journeys`, as of `now`; numbers drawn before `since` do not count.
pub(crate) fn compare(
    journeys: &[Journey],
    since: SystemTime,
    now: SystemTime,
    interval: Duration,
) -> Comparison {
    let elapsed = |at: SystemTime| at.duration_since(since).unwrap_or_default();
    let polls = count(elapsed(now), interval);
    let counted: Vec<&Journey> = journeys
        .iter()
        .filter(|journey| journey.drawn_at >= since)
        .collect();
    // Which poll learns of a number, and how late.
    let mut learned: Vec<(u64, Duration)> = counted
        .iter()
        .map(|journey| {
            let drawn = elapsed(journey.drawn_at);
            let whole = count(drawn, interval);
            let on_time =
                interval.saturating_mul(u32::try_from(whole).unwrap_or(u32::MAX)) == drawn;
            let question = if on_time && whole > 0 {
                whole
            } else {
                whole + 1
            };
            let asked = interval.saturating_mul(u32::try_from(question).unwrap_or(u32::MAX));
            (question, asked.saturating_sub(drawn))
        })
        .filter(|(question, _)| *question <= polls)
        .collect();
    let lateness = mean(learned.iter().map(|(_, late)| *late));
    learned.sort_unstable();
    learned.dedup_by_key(|(question, _)| *question);
    let posts: Vec<Duration> = counted.iter().filter_map(|journey| post(journey)).collect();
    Comparison {
        interval,
        since,
        drawn: counted.len(),
        polls,
        useful: learned.len() as u64,
        lateness,
        post: mean(posts.iter().copied()),
        posts: posts.len(),
    }
}

/// How often `interval` fits into `time`.
fn count(time: Duration, interval: Duration) -> u64 {
    u64::try_from(time.as_nanos() / interval.as_nanos().max(1)).unwrap_or(u64::MAX)
}

fn mean(times: impl Iterator<Item = Duration>) -> Option<Duration> {
    let (mut sum, mut count) = (Duration::ZERO, 0u32);
    for time in times {
        sum = sum.saturating_add(time);
        count += 1;
    }
    (count > 0).then(|| sum / count)
}

/// The time from the draw to the texter's answer, if the first attempt got through.
fn post(journey: &Journey) -> Option<Duration> {
    let leg = journey.texter_leg()?;
    match (&leg.standing, leg.attempts.as_slice()) {
        (Standing::Delivered(_), [only]) => {
            let sent = only.at.duration_since(journey.drawn_at).unwrap_or_default();
            Some(sent + only.took)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::{Leg, Try};

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000 + millis)
    }

    fn drawn(millis: u64) -> Journey {
        Journey::new(millis.to_string(), 7, at(millis))
    }

    /// The same by asking again and again, one question after the other.
    fn asked_one_by_one(drawn: &[u64], now: u64, interval: u64) -> (u64, u64, Vec<u64>) {
        let (mut polls, mut useful, mut late) = (0, 0, Vec::new());
        let mut known = 0;
        let mut question = interval;
        while question <= now {
            polls += 1;
            let news: Vec<u64> = drawn.iter().copied().filter(|d| *d <= question).collect();
            if news.len() > known {
                useful += 1;
                late.extend(news[known..].iter().map(|drawn| question - drawn));
                known = news.len();
            }
            question += interval;
        }
        (polls, useful, late)
    }

    #[test]
    fn the_figures_are_those_of_asking_one_by_one() {
        let draws = [
            0, 1, 999, 1_000, 1_001, 4_999, 5_000, 61_234, 61_240, 119_999,
        ];
        let journeys: Vec<Journey> = draws.iter().map(|millis| drawn(*millis)).collect();
        for interval in INTERVALS_SECONDS {
            for now in [0, 999, 1_000, 61_237, 120_000, 300_000, 301_000] {
                let past: Vec<u64> = draws
                    .iter()
                    .copied()
                    .filter(|drawn| *drawn <= now)
                    .collect();
                let (polls, useful, late) = asked_one_by_one(&past, now, interval * 1_000);
                let interval = Duration::from_secs(interval);
                let compared = compare(&journeys[..past.len()], at(0), at(now), interval);
                assert_eq!(
                    (compared.polls, compared.useful),
                    (polls, useful),
                    "{now} {interval:?}"
                );
                let count = late.len() as u64;
                let mean = (count > 0).then(|| late.iter().sum::<u64>() as f64 / count as f64);
                let told = compared.lateness.map(|late| late.as_secs_f64() * 1_000.0);
                match (mean, told) {
                    (Some(mean), Some(told)) => {
                        assert!((mean - told).abs() < 0.01, "{mean} {told}");
                    }
                    (mean, told) => assert_eq!(mean, told),
                }
            }
        }
    }

    #[test]
    fn numbers_of_before_the_start_do_not_count() {
        let journeys = [drawn(0), drawn(60_000)];
        let compared = compare(&journeys, at(50_000), at(70_000), Duration::from_secs(5));
        assert_eq!((compared.drawn, compared.polls, compared.useful), (1, 4, 1));
    }

    #[test]
    fn the_post_is_measured_from_the_draw_to_the_answer_of_a_first_attempt() {
        let made = |number| Try {
            number,
            at: at(4),
            took: Duration::from_millis(8),
            status: Some(201),
            failure: None,
            said: None,
            request: None,
            answer: None,
        };
        let leg = |attempts| Leg {
            name: "the texter".to_owned(),
            url: "http://localhost:9000".to_owned(),
            texter: true,
            attempts,
            standing: Standing::Delivered(at(12)),
        };
        let mut quick = drawn(0);
        quick.legs = vec![leg(vec![made(1)])];
        let mut retried = drawn(0);
        retried.legs = vec![leg(vec![made(1), made(2)])];
        let compared = compare(&[quick, retried], at(0), at(20), Duration::from_secs(1));
        assert_eq!(compared.post, Some(Duration::from_millis(12)));
        assert_eq!((compared.posts, compared.drawn), (1, 2));
    }
}
