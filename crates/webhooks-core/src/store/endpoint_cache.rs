//! The outboxes of the endpoints in use.
//!
//! It is coherent because the writer that owns it makes, or hears of, every change of an endpoint.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::host::Host;
use crate::{
    model::{endpoint::EndpointRecord, outcome::Backoff},
    outbox::Outbox,
};

/// Endpoints that memory keeps unless set otherwise, about 2 kB each. An endpoint that is not among
/// them is read from the store when it next gets an event, which takes about as long as storing the event.
pub const ENDPOINTS_IN_MEMORY_DEFAULT: usize = 50_000;
/// Customers remembered as having no endpoint: apps send events for all their customers, and most
/// have none. Beyond this number all of them are forgotten together.
const WITHOUT_ENDPOINTS_MAX: usize = 10_000;

/// The outboxes of the endpoints in use.
pub(crate) struct EndpointCache {
    host: Arc<Host>,
    /// How many may be kept.
    max: usize,
    /// The number at which idle ones are dropped: `max`, or more while more are in use.
    full_at: usize,
    by_key: HashMap<i64, Arc<Outbox>>,
    by_customer: HashMap<String, Arc<[Arc<Outbox>]>>,
    /// Customers without endpoints.
    without: HashSet<String>,
    /// Read within the current transaction: memory is ahead of the store until its commit.
    uncommitted: HashSet<i64>,
    /// Removed within the current transaction.
    removed: HashSet<i64>,
    /// In use, and to be read again before they are next used: what was last read of them was never committed.
    unsure: HashSet<i64>,
}

/// What memory knows of an endpoint.
pub(crate) enum Known {
    Held(Arc<Outbox>),
    /// It was removed.
    Removed,
    Not,
}

impl EndpointCache {
    /// What the engine gave the store.
    #[cfg(feature = "postgres")]
    pub(super) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    pub(crate) fn new(host: Arc<Host>, max: usize) -> Self {
        Self {
            host,
            max,
            full_at: max,
            by_key: HashMap::new(),
            by_customer: HashMap::new(),
            without: HashSet::new(),
            uncommitted: HashSet::new(),
            removed: HashSet::new(),
            unsure: HashSet::new(),
        }
    }

    /// Forgets which endpoints customers have; outboxes in use stay the same ones.
    pub(crate) fn clear(&mut self) {
        self.by_customer.clear();
        self.without.clear();
        self.drop_idle();
    }

    /// What was read is what is stored.
    pub(crate) fn committed(&mut self) {
        self.uncommitted.clear();
        for key in self.removed.drain() {
            self.by_key.remove(&key);
            self.unsure.remove(&key);
        }
    }

    /// After a rollback of everything or of one act. Returns the endpoints to read again, because they had
    /// changed.
    pub(crate) fn rolled_back(&mut self) -> Vec<i64> {
        self.clear();
        self.uncommitted.iter().copied().collect()
    }

    /// An endpoint could not be read again after a rollback. What it has in memory stays: a second outbox of the same
    /// endpoint would send what comes later at the same time.
    pub(crate) fn read_later(&mut self, key: i64) {
        if self.holds(key) {
            self.unsure.insert(key);
        }
    }

    /// The endpoints to be read before anything else.
    pub(crate) fn to_read(&self) -> Vec<i64> {
        self.unsure.iter().copied().collect()
    }

    /// Whether every endpoint in memory is as it was last read.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_sure(&self) -> bool {
        self.unsure.is_empty()
    }

    /// An endpoint stays as it is in memory, because it cannot be read.
    pub(crate) fn stays(&mut self, key: i64) {
        self.unsure.remove(&key);
    }

    /// After a rollback: keeps only those removed endpoints that are still removed.
    pub(crate) fn retain_removed(&mut self, mut is_removed: impl FnMut(i64) -> bool) {
        self.removed.retain(|key| is_removed(*key));
    }

    /// Those that were removed within the current transaction.
    #[cfg(feature = "postgres")]
    pub(crate) fn removed(&self) -> Vec<i64> {
        self.removed.iter().copied().collect()
    }

    /// Every endpoint in memory.
    #[cfg(feature = "postgres")]
    pub(crate) fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.by_key.values().map(Arc::clone).collect()
    }

    fn drop_idle(&mut self) {
        let now = self.host.timeline.now();
        self.by_key
            .retain(|_, outbox| Arc::strong_count(outbox) > 1 || !outbox.is_idle(now));
        self.unsure.retain(|key| self.by_key.contains_key(key));
    }

    /// Makes room for one more.
    pub(crate) fn make_room(&mut self) {
        if self.by_key.len() >= self.full_at {
            self.clear();
            // If most are in use, do not look through all of them again until there are twice as many.
            self.full_at = self.max.max(2 * self.by_key.len());
        }
    }

    /// The endpoints of a customer, if they are known.
    pub(crate) fn of_customer(&self, customer: &str) -> Option<Arc<[Arc<Outbox>]>> {
        if let Some(found) = self.by_customer.get(customer) {
            return Some(Arc::clone(found));
        }
        self.without.contains(customer).then(|| Arc::new([]) as _)
    }

    /// Notes the endpoints of a customer, as they were read.
    pub(crate) fn set_customer(
        &mut self,
        customer: &str,
        outboxes: Vec<Arc<Outbox>>,
    ) -> Arc<[Arc<Outbox>]> {
        let outboxes: Arc<[Arc<Outbox>]> = outboxes.into();
        if outboxes.is_empty() {
            if self.without.len() >= WITHOUT_ENDPOINTS_MAX {
                self.without.clear();
            }
            self.without.insert(customer.to_owned());
        } else {
            self.by_customer
                .insert(customer.to_owned(), Arc::clone(&outboxes));
        }
        outboxes
    }

    pub(crate) fn by_key(&self, key: i64) -> Known {
        if self.removed.contains(&key) {
            return Known::Removed;
        }
        self.by_key
            .get(&key)
            .map_or(Known::Not, |outbox| Known::Held(Arc::clone(outbox)))
    }

    /// Adds an endpoint that was read. `lane`: what the store knows of its lane.
    pub(crate) fn add(&mut self, record: EndpointRecord, lane: Option<Backoff>) -> Arc<Outbox> {
        let key = record.key;
        let outbox = Arc::new(Outbox::new(record, lane, Arc::clone(&self.host.memory)));
        self.by_key.insert(key, Arc::clone(&outbox));
        self.uncommitted.insert(key);
        outbox
    }

    /// Replaces an endpoint that was read again after it changed.
    pub(crate) fn replace(&mut self, key: i64, record: Option<EndpointRecord>) {
        match (self.by_key.get(&key), record) {
            (Some(outbox), Some(record)) => {
                self.by_customer.remove(&*record.customer);
                outbox.replace(record);
                self.unsure.remove(&key);
                self.uncommitted.insert(key);
            }
            // It was added by a transaction that failed: the next endpoint added gets its key.
            (Some(_), None) => self.drop_key(key),
            (None, _) => {}
        }
    }

    /// Forgets an endpoint that is not stored.
    pub(crate) fn drop_key(&mut self, key: i64) {
        self.by_key.remove(&key);
        self.unsure.remove(&key);
    }

    /// An endpoint was added or removed.
    pub(crate) fn forget_customer(&mut self, customer: &str) {
        self.by_customer.remove(customer);
        self.without.remove(customer);
    }

    /// Deliveries in memory that wait for the clock.
    #[cfg(feature = "testing")]
    pub(crate) fn waits_for_clock(&self) -> usize {
        let outboxes = self.by_key.values();
        let now = self.host.timeline.now();
        outboxes.map(|outbox| outbox.waits_for_clock(now)).sum()
    }

    /// Whether memory has the endpoint.
    pub(crate) fn holds(&self, key: i64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// An endpoint was removed. If that is not committed, deliveries in flight to it continue in
    /// the same outbox.
    pub(crate) fn forget_key(&mut self, key: i64) {
        self.removed.insert(key);
    }
}
