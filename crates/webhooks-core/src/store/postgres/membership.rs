//! Which node an engine is, and whether it may work: what its writer, its watch and its queries share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    bell::Bell,
    connection::Connector,
    favourites::Favourites,
    floor::DueFloors,
    history::{History, history_of},
    node::LeaseTimes,
    session::Session,
};
use crate::store::{error::StoreError, lease::Lease};

/// Which node an engine is, and whether it may work.
pub(crate) struct Membership {
    node: AtomicI64,
    lease: Arc<Lease>,
    pub(super) times: LeaseTimes,
    /// The line of the database's history in which it joined.
    history: Mutex<History>,
    /// The version of all endpoints that the writer has heard of; 0 before it has looked.
    version: AtomicI64,
    /// How many are alive, including this one.
    pub(super) engines: Arc<AtomicUsize>,
    /// Where scans for what is due begin.
    pub(super) due_floors: DueFloors,
    /// Which nodes are the favourites of lanes.
    pub(super) favourites: Favourites,
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
        (node, history): (i64, History),
        (lease, times): (Arc<Lease>, LeaseTimes),
        engines: Arc<AtomicUsize>,
        began: Duration,
    ) -> Self {
        lease.begin(node, began, times.stop_after);
        Self {
            node: AtomicI64::new(node),
            lease,
            times,
            history: Mutex::new(history),
            version: AtomicI64::new(0),
            engines,
            due_floors: DueFloors::default(),
            favourites: Favourites::default(),
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

    /// `node` may no longer be a node. This does not affect a later one.
    pub(super) fn fenced(&self, node: i64) {
        if self.node() == node {
            self.fenced.store(true, Ordering::Release);
            self.lease.end();
            self.fence.notify_one();
        }
    }

    /// Whether a server has everything that this node did. If not, `node` is no longer a node.
    pub(super) fn follows(&self, node: i64, found: &History) -> bool {
        let was = self.history.lock().clone();
        let follows = match (&was, found) {
            (Some(was), Some(found)) => was == found,
            _ => true,
        };
        if !follows {
            self.fenced(node);
        }
        follows
    }

    /// Connects. Also returns whether the server follows the history in which `node` joined: if not, it is
    /// not a node there.
    pub(super) async fn connect(
        &self,
        connector: &Connector,
        node: i64,
    ) -> Result<(Session, bool), StoreError> {
        let mut connection = connector.connect().await?;
        let history = history_of(&mut connection).await?;
        let follows = self.follows(node, &history);
        Ok((connection, follows))
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// The heartbeat that began then was answered.
    pub(super) fn beaten(&self, began: Duration) {
        self.lease.renew(began, self.times.stop_after);
    }

    pub(super) fn joined(&self, (node, history): (i64, History), began: Duration) {
        self.lease.begin(node, began, self.times.stop_after);
        *self.history.lock() = history;
        // What memory has heard of belongs to the previous node.
        self.version.store(0, Ordering::Release);
        self.node.store(node, Ordering::Release);
        self.fenced.store(false, Ordering::Release);
    }
}
