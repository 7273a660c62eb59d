//! The captured requests, bounded in number and bytes, and their recent changes.
//!
//! All readers see the ring in memory; `--store` mirrors it to SQLite so that it is there again
//! after a restart. Readers that wait watch a number that grows with each change.

mod change;
mod filter;
mod keep;
mod ring;
mod sqlite;

pub(crate) use filter::Filter;
pub use keep::Keep;
pub(crate) use ring::Fallen;
pub use sqlite::StoreError;

pub(crate) use change::{Change, ChangeKind, Missed};

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::record::{Answer, Record};
use ring::Ring;
use sqlite::Disk;

/// The captured requests.
#[derive(Debug)]
pub(crate) struct Store {
    ring: Mutex<Ring>,
    next_id: AtomicU64,
    newest_change: watch::Sender<u64>,
    disk: Option<Disk>,
}

impl Store {
    pub(crate) fn in_memory(keep: Keep) -> Self {
        Self {
            ring: Mutex::new(Ring::new(keep)),
            next_id: AtomicU64::new(1),
            newest_change: watch::Sender::new(0),
            disk: None,
        }
    }

    /// Opens or creates the file and loads its requests, as far as the limits allow.
    pub(crate) fn open(keep: Keep, path: &Path) -> Result<Self, StoreError> {
        let (disk, records) = Disk::open(path)?;
        let mut ring = Ring::new(keep);
        let mut last = 0;
        let mut gone = Vec::new();
        for record in records {
            last = record.id;
            gone.extend(ring.insert(Arc::new(record), None));
        }
        disk.forget_now(&gone)?;
        Ok(Self {
            ring: Mutex::new(ring),
            next_id: AtomicU64::new(last + 1),
            newest_change: watch::Sender::new(0),
            disk: Some(disk),
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps a record; records that are dropped for it are counted.
    pub(crate) async fn insert(&self, record: &Arc<Record>, scope_capacity: Option<usize>) {
        let (gone, newest) = {
            let mut ring = self.ring();
            let gone = ring.insert(Arc::clone(record), scope_capacity);
            (gone, ring.note(ChangeKind::Arrived, record.id))
        };
        self.newest_change.send_replace(newest);
        if let Some(disk) = &self.disk {
            disk.put(Arc::clone(record)).await;
            disk.forget(gone).await;
        }
    }

    pub(crate) async fn answered(&self, record: &Arc<Record>, answer: Answer) {
        let (gone, newest) = {
            let mut ring = self.ring();
            let gone = ring.answered(record, answer);
            (gone, ring.note(ChangeKind::Answered, record.id))
        };
        self.newest_change.send_replace(newest);
        if let Some(disk) = &self.disk {
            disk.put(Arc::clone(record)).await;
            disk.forget(gone).await;
        }
    }

    /// Records that the request was sent again.
    pub(crate) fn sent_again(&self, id: u64) {
        let newest = self.ring().note(ChangeKind::SentAgain, id);
        self.newest_change.send_replace(newest);
    }

    /// Changes a record, and returns whether it is still kept.
    pub(crate) async fn changed(
        &self,
        id: u64,
        kind: ChangeKind,
        change: impl FnOnce(&mut Record),
    ) -> bool {
        let (record, newest) = {
            let mut ring = self.ring();
            let Some(record) = ring.changed(id, change) else {
                return false;
            };
            (record, ring.note(kind, id))
        };
        self.newest_change.send_replace(newest);
        if let Some(disk) = &self.disk {
            disk.put(record).await;
        }
        true
    }

    /// The number of kept requests of a scope.
    pub(crate) fn count_of(&self, scope: &str) -> usize {
        self.ring().count_of(scope)
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Record>> {
        self.ring().get(id)
    }

    /// All records, newest first.
    pub(crate) fn newest_first(&self) -> Vec<Arc<Record>> {
        self.ring().newest_first()
    }

    /// Removes the requests with these ids, and returns their number.
    pub(crate) async fn remove(&self, ids: Vec<u64>) -> usize {
        let (removed, newest) = {
            let mut ring = self.ring();
            let (mut removed, mut newest) = (0, None);
            for id in &ids {
                if ring.remove(*id) {
                    removed += 1;
                    newest = Some(ring.note(ChangeKind::Removed, *id));
                }
            }
            (removed, newest)
        };
        if let Some(newest) = newest {
            self.newest_change.send_replace(newest);
        }
        if let Some(disk) = &self.disk {
            disk.forget(ids).await;
        }
        removed
    }

    pub(crate) fn fallen(&self) -> Fallen {
        self.ring().fallen()
    }

    /// The number of requests and bytes that are kept now.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.ring().size()
    }

    /// A number that grows with each change; wakes those that wait for one.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.newest_change.subscribe()
    }

    /// The changes after this one, in order.
    pub(crate) fn changes_after(&self, sequence: u64) -> Result<Vec<Change>, Missed> {
        self.ring().changes_after(sequence)
    }

    /// Waits until everything is written.
    pub(crate) async fn flush(&self) {
        if let Some(disk) = &self.disk {
            disk.flush().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_somebody_else_removed_meanwhile_is_not_counted() {
        let store = Store::in_memory(Keep::default());
        for id in [1, 2] {
            store.insert(&Arc::new(Record::empty(id)), None).await;
        }
        assert_eq!(store.remove(vec![1]).await, 1);
        assert_eq!(store.remove(vec![1, 2]).await, 1);
    }
}
