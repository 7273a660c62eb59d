//! The keys that the guard remembers in memory, limited by number and age.

use super::claim::{Answer, KeyHash};
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::SystemTime;

#[derive(Default)]
pub(super) struct Memory {
    entries: HashMap<KeyHash, Entry>,
    /// The same keys, ordered by when their entry ends: the first is the next to be forgotten.
    handled: BTreeSet<(SystemTime, KeyHash)>,
    claimed: BTreeSet<(SystemTime, KeyHash)>,
}

/// An entry means nothing after `until`.
#[derive(Clone, Copy)]
struct Entry {
    /// Who is handling it; `None` once handled.
    token: Option<i64>,
    until: SystemTime,
}

impl Memory {
    /// `term`: from now until the claim ends.
    pub(super) fn claim(
        &mut self,
        key: KeyHash,
        token: i64,
        term: Range<SystemTime>,
        max_keys: usize,
    ) -> Answer {
        self.forget_ended(term.start);
        match self.entries.get(&key) {
            Some(Entry { token: None, .. }) => return Answer::Already,
            Some(Entry { token: Some(_), .. }) => return Answer::Underway,
            None => {}
        }
        if self.entries.len() >= max_keys {
            let Some(&(_, oldest)) = self.handled.first() else {
                return Answer::Full;
            };
            self.remove(oldest);
        }
        self.insert(
            key,
            Entry {
                token: Some(token),
                until: term.end,
            },
        );
        Answer::Granted
    }

    /// Whether the claim was still `token`'s.
    pub(super) fn confirm(&mut self, key: KeyHash, token: i64, until: SystemTime) -> bool {
        let held = self.is_held(key, token);
        if held {
            self.remove(key);
            self.insert(key, Entry { token: None, until });
        }
        held
    }

    pub(super) fn release(&mut self, key: KeyHash, token: i64) {
        if self.is_held(key, token) {
            self.remove(key);
        }
    }

    fn is_held(&self, key: KeyHash, token: i64) -> bool {
        self.entries
            .get(&key)
            .is_some_and(|entry| entry.token == Some(token))
    }

    fn insert(&mut self, key: KeyHash, entry: Entry) {
        self.entries.insert(key, entry);
        self.order(entry).insert((entry.until, key));
    }

    fn remove(&mut self, key: KeyHash) {
        if let Some(entry) = self.entries.remove(&key) {
            self.order(entry).remove(&(entry.until, key));
        }
    }

    fn order(&mut self, entry: Entry) -> &mut BTreeSet<(SystemTime, KeyHash)> {
        if entry.token.is_some() {
            &mut self.claimed
        } else {
            &mut self.handled
        }
    }

    fn forget_ended(&mut self, now: SystemTime) {
        for order in [&mut self.handled, &mut self.claimed] {
            while let Some(&(until, key)) = order.first() {
                if until > now {
                    break;
                }
                order.pop_first();
                self.entries.remove(&key);
            }
        }
    }
}
