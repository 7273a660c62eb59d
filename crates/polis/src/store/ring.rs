//! Records in memory. The oldest are dropped when there are too many, or when they are too large.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    change::{Change, ChangeKind, ChangeLog, Missed},
    keep::Keep,
};
use crate::record::{Answer, Record};

/// What was dropped since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fallen {
    /// Requests.
    pub(crate) requests: u64,
    /// Bytes of memory that they took.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Ring {
    keep: Keep,
    records: BTreeMap<u64, Arc<Record>>,
    by_scope: HashMap<Arc<str>, BTreeSet<u64>>,
    bytes: usize,
    fallen: Fallen,
    changes: ChangeLog,
}

impl Ring {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            records: BTreeMap::new(),
            by_scope: HashMap::new(),
            bytes: 0,
            fallen: Fallen::default(),
            changes: ChangeLog::default(),
        }
    }

    /// Keeps a record and returns the ids of those that were dropped for it.
    pub(super) fn insert(
        &mut self,
        record: Arc<Record>,
        scope_capacity: Option<usize>,
    ) -> Vec<u64> {
        let mut gone = Vec::new();
        self.bytes += record.cost();
        let in_scope = self.by_scope.entry(Arc::clone(&record.scope)).or_default();
        in_scope.insert(record.id);
        let over = scope_capacity.map_or(0, |most| in_scope.len().saturating_sub(most));
        let surplus: Vec<u64> = in_scope.iter().take(over).copied().collect();
        self.records.insert(record.id, record);
        for id in surplus {
            self.fall_out(id);
            gone.push(id);
        }
        self.shrink(&mut gone);
        gone
    }

    /// Keeps the answer with its record and returns the ids of those that were dropped for it.
    pub(super) fn answered(&mut self, record: &Record, answer: Answer) -> Vec<u64> {
        let mut gone = Vec::new();
        // If it was diagnosed again meanwhile, the kept record is not the one that is being answered.
        if let Some(kept) = self.records.get(&record.id) {
            let before = kept.cost();
            // A second answer to one request would be a mistake; the first one stays.
            let _ = kept.answer.set(answer.clone());
            self.bytes += kept.cost() - before;
            self.shrink(&mut gone);
        }
        let _ = record.answer.set(answer);
        gone
    }

    /// Changes a record that is still kept, and returns it.
    pub(super) fn changed(
        &mut self,
        id: u64,
        change: impl FnOnce(&mut Record),
    ) -> Option<Arc<Record>> {
        let kept = self.records.get_mut(&id)?;
        let before = kept.cost();
        let mut record = Record::clone(kept);
        change(&mut record);
        self.bytes = self.bytes - before + record.cost();
        *kept = Arc::new(record);
        Some(Arc::clone(kept))
    }

    /// The number of kept requests of a scope.
    pub(super) fn count_of(&self, scope: &str) -> usize {
        self.by_scope.get(scope).map_or(0, BTreeSet::len)
    }

    fn shrink(&mut self, gone: &mut Vec<u64>) {
        while self.records.len() > self.keep.requests || self.bytes > self.keep.bytes {
            let Some((&oldest, _)) = self.records.first_key_value() else {
                return;
            };
            self.fall_out(oldest);
            gone.push(oldest);
        }
    }

    fn fall_out(&mut self, id: u64) {
        let before = self.bytes;
        if self.remove(id) {
            self.fallen.requests += 1;
            self.fallen.bytes += (before - self.bytes) as u64;
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> bool {
        let Some(record) = self.records.remove(&id) else {
            return false;
        };
        self.bytes -= record.cost();
        if let Some(in_scope) = self.by_scope.get_mut(&record.scope) {
            in_scope.remove(&id);
            if in_scope.is_empty() {
                self.by_scope.remove(&record.scope);
            }
        }
        true
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Record>> {
        self.records.get(&id).cloned()
    }

    pub(super) fn newest_first(&self) -> Vec<Arc<Record>> {
        self.records.values().rev().cloned().collect()
    }

    pub(super) fn fallen(&self) -> Fallen {
        self.fallen
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.records.len(), self.bytes)
    }

    pub(super) fn note(&mut self, kind: ChangeKind, id: u64) -> u64 {
        self.changes.note(kind, id)
    }

    pub(super) fn changes_after(&self, sequence: u64) -> Result<Vec<Change>, Missed> {
        self.changes.after(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(id: u64, scope: &str, body: usize) -> Arc<Record> {
        Arc::new(Record {
            scope: scope.into(),
            body: Bytes::from(vec![0; body]),
            ..Record::empty(id)
        })
    }

    fn ids(ring: &Ring) -> Vec<u64> {
        ring.newest_first().iter().map(|record| record.id).collect()
    }

    #[test]
    fn the_oldest_fall_out_by_count_and_are_counted() {
        let mut ring = Ring::new(Keep {
            requests: 2,
            bytes: 1 << 20,
        });
        for id in 1..=3 {
            ring.insert(record(id, "a", 10), None);
        }
        assert_eq!(ids(&ring), [3, 2]);
        assert_eq!(ring.fallen().requests, 1);
    }

    #[test]
    fn the_oldest_fall_out_by_bytes_also_for_an_answer() {
        let mut ring = Ring::new(Keep {
            requests: 100,
            bytes: 10_000,
        });
        ring.insert(record(1, "a", 3000), None);
        let second = record(2, "a", 3000);
        ring.insert(Arc::clone(&second), None);
        assert_eq!(ids(&ring), [2, 1]);
        let answer = Answer {
            body: Bytes::from(vec![0; 4000]),
            ..Answer::default()
        };
        assert_eq!(ring.answered(&second, answer), [1]);
        assert_eq!(ids(&ring), [2]);
        assert!(ring.remove(2));
        assert_eq!(ring.size(), (0, 0));
    }

    #[test]
    fn a_record_diagnosed_before_its_answer_gets_the_answer_and_costs_what_it_holds() {
        let mut ring = Ring::new(Keep::default());
        let arrived = record(1, "a", 10);
        ring.insert(Arc::clone(&arrived), None);
        assert!(ring.changed(1, |record| record.diagnosis = None).is_some());
        ring.answered(&arrived, Answer::default());
        assert!(ring.get(1).unwrap().answer().is_some() && arrived.answer().is_some());
        assert!(ring.changed(2, |_| ()).is_none());
        assert!(ring.remove(1));
        assert_eq!(ring.size(), (0, 0));
    }

    #[test]
    fn an_echo_costs_its_bytes_once() {
        let mut ring = Ring::new(Keep::default());
        let echoed = record(1, "a", 5000);
        ring.insert(Arc::clone(&echoed), None);
        let (_, before) = ring.size();
        let answer = Answer {
            body: echoed.body.clone(),
            ..Answer::default()
        };
        ring.answered(&echoed, answer);
        assert_eq!(ring.size().1, before);
    }

    #[test]
    fn a_scope_has_its_own_capacity() {
        let mut ring = Ring::new(Keep::default());
        ring.insert(record(1, "a", 1), Some(1));
        ring.insert(record(2, "b", 1), None);
        assert_eq!(ring.insert(record(3, "a", 1), Some(1)), [1]);
        assert_eq!(ids(&ring), [3, 2]);
    }
}
