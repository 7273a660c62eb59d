//! Attempts of one delivery, recognised by the id the sender repeats.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serve::wire::Head;

use crate::diagnosis::Preset;

/// Maximum number of deliveries remembered per scope; the oldest is forgotten first.
const DELIVERIES: usize = 10_000;

/// Headers that name a delivery although they belong to no signature scheme.
const OTHER_ID_HEADERS: [&str; 2] = ["i-twilio-idempotency-token", "idempotency-key"];

/// Which attempt of which delivery a request is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id the sender gave.
    pub id: String,
    /// The header that held it, in lower case.
    pub header: String,
    /// Counted from 1.
    pub attempt: u32,
    /// Milliseconds since the previous attempt.
    pub gap_ms: Option<i64>,
}

/// The id of a delivery and the header that holds it.
pub(crate) fn delivery_id(head: &Head) -> Option<(&'static str, &str)> {
    // In order of precedence.
    let names = Preset::all().flat_map(|preset| preset.scheme().names);
    names
        .filter_map(|names| names.id)
        .chain(OTHER_ID_HEADERS)
        .find_map(|name| Some((name, head.text(name).filter(|id| !id.is_empty())?)))
}

/// Without an id, requests with the same method, path and body count as attempts of one delivery.
fn key(hasher: &RandomState, head: &Head, body: &[u8]) -> u64 {
    // Keyed, so that no sender can make two deliveries collide; 64 bits make accidents unlikely.
    match delivery_id(head) {
        Some(named) => hasher.hash_one(named),
        None => hasher.hash_one((head.method(), head.path(), body)),
    }
}

#[derive(Debug)]
struct Seen {
    attempts: u32,
    last_at: Timestamp,
    /// The generation of the rules for which `answered` counts.
    generation: u64,
    answered: u32,
}

/// What [`Attempts::count`] found.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Set if the sender named its delivery.
    pub(crate) delivery: Option<Delivery>,
    /// Attempts of this delivery before this one since the rules last changed.
    pub(crate) before: u32,
}

/// Counts the attempts of each delivery of one scope.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    seen: HashMap<u64, Seen>,
    order: VecDeque<u64>,
    hasher: RandomState,
}

impl Attempts {
    /// Counts a request under the rules of this generation.
    pub(crate) fn count(
        &mut self,
        head: &Head,
        body: &[u8],
        at: Timestamp,
        generation: u64,
    ) -> Counted {
        let key = key(&self.hasher, head, body);
        let seen = self.seen.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Seen {
                attempts: 0,
                last_at: at,
                generation,
                answered: 0,
            }
        });
        if seen.generation != generation {
            seen.generation = generation;
            seen.answered = 0;
        }
        let before = seen.answered;
        let gap_ms =
            (seen.attempts > 0).then(|| at.as_millisecond() - seen.last_at.as_millisecond());
        seen.attempts = seen.attempts.saturating_add(1);
        seen.answered = seen.answered.saturating_add(1);
        seen.last_at = at;
        let attempt = seen.attempts;
        self.forget_oldest();
        Counted {
            delivery: delivery_id(head).map(|(header, id)| Delivery {
                id: id.to_owned(),
                header: header.to_ascii_lowercase(),
                attempt,
                gap_ms,
            }),
            before,
        }
    }

    fn forget_oldest(&mut self) {
        while self.order.len() > DELIVERIES {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn head(headers: &str) -> Head {
        Head::parse(Bytes::from(format!("POST /a HTTP/1.1\r\n{headers}\r\n"))).unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    #[test]
    fn attempts_of_one_id_are_counted_with_their_gaps() {
        let mut attempts = Attempts::default();
        let first = attempts.count(&head("Webhook-Id: a\r\n"), b"1", at(1000), 0);
        assert_eq!(first.delivery.unwrap().gap_ms, None);
        attempts.count(&head("Webhook-Id: b\r\n"), b"1", at(1500), 0);
        let second = attempts.count(&head("Webhook-Id: a\r\n"), b"2", at(3500), 0);
        assert_eq!(second.before, 1);
        let delivery = second.delivery.unwrap();
        assert_eq!((delivery.attempt, delivery.gap_ms), (2, Some(2500)));
    }

    #[test]
    fn without_an_id_equal_requests_count_as_one_delivery() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.count(&head(""), b"1", at(0), 0).before, 0);
        assert_eq!(attempts.count(&head(""), b"2", at(0), 0).before, 0);
        let again = attempts.count(&head(""), b"1", at(0), 0);
        assert_eq!(again.before, 1);
        assert!(again.delivery.is_none());
    }

    #[test]
    fn new_rules_count_anew_but_attempts_go_on() {
        let mut attempts = Attempts::default();
        let head = head("Webhook-Id: a\r\n");
        attempts.count(&head, b"", at(0), 0);
        let counted = attempts.count(&head, b"", at(0), 1);
        assert_eq!(counted.before, 0);
        assert_eq!(counted.delivery.unwrap().attempt, 2);
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::default();
        for number in 0..DELIVERIES + 10 {
            attempts.count(&head(""), number.to_string().as_bytes(), at(0), 0);
        }
        assert_eq!(attempts.seen.len(), DELIVERIES);
    }
}
