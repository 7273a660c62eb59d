//! What earlier lookups found out about names: addresses, for as long as they may be kept, or that nobody
//! answered.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

/// The maximum number of names that are kept, at some hundred bytes each.
const NAMES_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct KnownNames(HashMap<Arc<str>, Known>);

enum Known {
    Addresses(Arc<[IpAddr]>, Instant),
    Silent,
}

impl KnownNames {
    /// Addresses that may still be used at `now`.
    pub(super) fn addresses(&self, name: &str, now: Instant) -> Option<Arc<[IpAddr]>> {
        match self.0.get(name) {
            Some(Known::Addresses(addresses, until)) if *until > now => Some(Arc::clone(addresses)),
            _ => None,
        }
    }

    /// Whether nobody answered at the last lookup.
    pub(super) fn is_silent(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Known::Silent))
    }

    /// Keeps the addresses for `keep`, starting at `now`.
    pub(super) fn keep(
        &mut self,
        name: &Arc<str>,
        addresses: &Arc<[IpAddr]>,
        (now, keep): (Instant, Duration),
    ) {
        let known = Known::Addresses(Arc::clone(addresses), now + keep);
        self.insert(name, known, now);
    }

    pub(super) fn note_silence(&mut self, name: &Arc<str>, now: Instant) {
        self.insert(name, Known::Silent, now);
    }

    fn insert(&mut self, name: &Arc<str>, known: Known, now: Instant) {
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(name) {
            self.0
                .retain(|_, known| matches!(known, Known::Addresses(_, until) if *until > now));
            if self.0.len() >= NAMES_MAX {
                self.0.clear();
            }
        }
        self.0.insert(Arc::clone(name), known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const TTL: Duration = Duration::from_secs(30);

    fn keep(names: &mut KnownNames, name: &str, now: Instant) {
        names.keep(&Arc::from(name), &Arc::from([LOCAL]), (now, TTL));
    }

    #[test]
    fn addresses_are_known_for_as_long_as_they_may_be_kept() {
        let (mut names, begin) = (KnownNames::default(), Instant::now());
        keep(&mut names, "acme.example", begin);
        let last = begin + TTL - Duration::from_millis(1);
        let known = names.addresses("acme.example", last);
        assert_eq!(known.as_deref(), Some(&[LOCAL][..]));
        assert_eq!(names.addresses("other.example", last), None);
        assert_eq!(names.addresses("acme.example", begin + TTL), None);
    }

    #[test]
    fn no_more_names_are_kept_than_there_is_room_for_and_those_that_are_over_go_first() {
        let (mut names, begin) = (KnownNames::default(), Instant::now());
        for number in 0..NAMES_MAX - 1 {
            keep(&mut names, &format!("h{number}.example"), begin);
        }
        let later = begin + TTL;
        for name in ["valid.example", "new.example"] {
            keep(&mut names, name, later);
            assert!(names.0.len() <= NAMES_MAX);
        }
        assert!(names.addresses("valid.example", later).is_some());
        for number in 0..NAMES_MAX * 2 {
            keep(&mut names, &format!("v{number}.example"), later);
            assert!(names.0.len() <= NAMES_MAX, "{} names", names.0.len());
        }
    }
}
