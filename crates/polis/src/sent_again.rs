//! Requests sent again from the page, the API or the command line, listed under the original request.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;

/// Maximum number of requests whose replays are kept; those of the oldest are forgotten first.
const REQUESTS_MAX: usize = 1_000;
/// Maximum number of replays of one request.
const REPLAYS_MAX: usize = 20;

/// One replay.
#[derive(Debug, Clone)]
pub(crate) struct SentAgain {
    pub(crate) at: Timestamp,
    pub(crate) to: String,
    /// The answer, or why there was none.
    pub(crate) outcome: Result<u16, String>,
    pub(crate) is_edited: bool,
    pub(crate) is_resigned: bool,
}

/// The replays of all requests.
#[derive(Debug, Default)]
pub(crate) struct Replays(Mutex<BTreeMap<u64, VecDeque<SentAgain>>>);

impl Replays {
    pub(crate) fn add(&self, id: u64, sent: SentAgain) {
        let mut all = self.0.lock();
        let of_request = all.entry(id).or_default();
        of_request.push_front(sent);
        of_request.truncate(REPLAYS_MAX);
        if all.len() > REQUESTS_MAX {
            all.pop_first();
        }
    }

    /// The newest first.
    pub(crate) fn of(&self, id: u64) -> Vec<SentAgain> {
        let all = self.0.lock();
        all.get(&id).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_are_kept_up_to_their_limits() {
        let replays = Replays::default();
        let sent = |status| SentAgain {
            at: Timestamp::UNIX_EPOCH,
            to: String::new(),
            outcome: Ok(status),
            is_edited: false,
            is_resigned: false,
        };
        for status in 200..230 {
            replays.add(1, sent(status));
        }
        let kept = replays.of(1);
        assert_eq!(kept.len(), REPLAYS_MAX);
        assert_eq!(kept[0].outcome, Ok(229));
        for id in 2..=REQUESTS_MAX as u64 + 1 {
            replays.add(id, sent(200));
        }
        assert!(replays.of(1).is_empty());
        assert_eq!(replays.of(2).len(), 1);
    }
}
