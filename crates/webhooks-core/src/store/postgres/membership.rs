//! As which node an engine works, and whether it may: what its writer, its watch and its questions have
//! in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{bell::Bell, floor::DueFloors, node::STOP_AFTER};
use crate::store::lease::Lease;

/// As which node an engine works, and whether it may.
pub(crate) struct Membership {
    node: AtomicI64,
    lease: Arc<Lease>,
    /// The version of all endpoints that the writer has heard of; 0 before it has looked.
    version: AtomicI64,
    /// How many are alive, this one among them.
    pub(super) engines: Arc<AtomicUsize>,
    /// From where scans for what is due begin.
    pub(super) due_floors: DueFloors,
    /// It was declared dead, or gives its number up.
    fenced: AtomicBool,
    /// Signalled with it.
    pub(super) fence: Notify,
    /// Wakes the other nodes.
    pub(super) bell: Arc<Bell>,
}

impl Membership {
    /// `node` joined a moment ago.
    pub(super) fn new(
        node: i64,
        lease: Arc<Lease>,
        engines: Arc<AtomicUsize>,
        began: Duration,
    ) -> Self {
        lease.renew(began, STOP_AFTER);
        Self {
            node: AtomicI64::new(node),
            lease,
            version: AtomicI64::new(0),
            engines,
            due_floors: DueFloors::default(),
            fenced: AtomicBool::new(false),
            fence: Notify::new(),
            bell: Arc::default(),
        }
    }

    pub(super) fn node(&self) -> i64 {
        self.node.load(Ordering::Acquire)
    }

    /// The version of all endpoints that the writer has heard of.
    pub(super) fn version(&self) -> Option<i64> {
        Some(self.version.load(Ordering::Acquire)).filter(|version| *version > 0)
    }

    pub(super) fn heard_of(&self, version: i64) {
        self.version.store(version, Ordering::Release);
    }

    /// `node` may be a node no more. A later one is not meant.
    pub(super) fn fenced(&self, node: i64) {
        if self.node() == node {
            self.fenced.store(true, Ordering::Release);
            self.lease.end();
            self.fence.notify_one();
        }
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// A beat was answered that began then.
    pub(super) fn beaten(&self, began: Duration) {
        self.lease.renew(began, STOP_AFTER);
    }

    pub(super) fn joined(&self, node: i64, began: Duration) {
        self.beaten(began);
        self.node.store(node, Ordering::Release);
        self.fenced.store(false, Ordering::Release);
    }
}
