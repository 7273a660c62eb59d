//! The connections: how many there may be in total, and the idle ones that wait for their next request.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use super::connection::{Connection, Place};

/// How long an idle connection is kept if its server does not say how long it keeps one: gunicorn keeps them for 2
/// s, Node for 5 s. A server that closes a connection at the moment when we use it may have received a request
/// that we then send a second time.
const IDLE_LIMIT_DEFAULT: Duration = Duration::from_millis(1_500);
/// The longest time, whatever the server says; and how much earlier than its server we close one.
const IDLE_LIMIT_MAX: Duration = Duration::from_secs(30);
const IDLE_MARGIN: Duration = Duration::from_secs(1);
/// How often connections that have been idle for too long are looked for.
const SWEEP_WAIT: Duration = Duration::from_millis(250);

/// All connections of one engine.
pub(super) struct Pool {
    places: Arc<Semaphore>,
    /// The maximum number of idle connections of one origin: no origin has more than half of all.
    per_origin: usize,
    /// The number of requests that wait for a place.
    waiting: AtomicUsize,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// By origin, the most recently used one last.
    connections: HashMap<Arc<str>, VecDeque<Parked>>,
    /// The origin of each, the least recently used first.
    order: BTreeMap<u64, Arc<str>>,
    parked: u64,
    swept: bool,
}

struct Parked {
    number: u64,
    until: Instant,
    connection: Connection,
}

impl Pool {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(connections_max)),
            per_origin: connections_max.div_ceil(2),
            waiting: AtomicUsize::new(0),
            idle: Mutex::default(),
        }
    }

    /// An idle connection to `origin` (`https://acme.example`). It is the one used most recently, so that the
    /// others can be closed sooner.
    pub(super) fn take(&self, origin: &str) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let connections = idle.connections.get_mut(origin)?;
        let parked = connections.pop_back()?;
        if connections.is_empty() {
            idle.connections.remove(origin);
        }
        idle.order.remove(&parked.number);
        Some(parked.connection)
    }

    /// Keeps a connection for its next request. `kept` is how long its server keeps it, if it says so.
    pub(super) fn park(self: &Arc<Self>, connection: Connection, kept: Option<Duration>) {
        let limit = idle_limit(kept);
        if limit.is_zero() || self.waiting.load(Ordering::Acquire) > 0 {
            return;
        }
        let origin = Arc::clone(&connection.peer().origin);
        let mut guard = self.idle.lock();
        let idle = &mut *guard;
        let number = idle.parked;
        idle.parked += 1;
        let connections = idle.connections.entry(Arc::clone(&origin)).or_default();
        connections.push_back(Parked {
            number,
            until: Instant::now() + limit,
            connection,
        });
        let closed = if connections.len() > self.per_origin {
            connections.pop_front()
        } else {
            None
        };
        if let Some(closed) = &closed {
            idle.order.remove(&closed.number);
        }
        idle.order.insert(number, origin);
        let sweeps = !std::mem::replace(&mut idle.swept, true);
        drop(guard);
        drop(closed);
        if sweeps {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// A place for another connection. If all are taken, the connection that has been idle longest is closed; if
    /// none is idle, the first that can be closed makes room.
    pub(super) async fn place(&self) -> Place {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return place;
            }
            if !self.close_oldest() {
                break;
            }
        }
        let _waiting = Waiting::new(&self.waiting);
        // One may have become idle just before the counter showed that somebody waits.
        self.close_oldest();
        Arc::clone(&self.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }

    /// Closes the connection that has been idle longest. False if none is idle.
    pub(super) fn close_oldest(&self) -> bool {
        let mut guard = self.idle.lock();
        let idle = &mut *guard;
        let Some((_, origin)) = idle.order.pop_first() else {
            return false;
        };
        let mut closed = None;
        if let Some(connections) = idle.connections.get_mut(&origin) {
            closed = connections.pop_front();
            if connections.is_empty() {
                idle.connections.remove(&origin);
            }
        }
        drop(guard);
        drop(closed);
        true
    }

    /// Closes connections that have been idle for too long. False if none is idle any more.
    fn close_expired(&self) -> bool {
        let now = Instant::now();
        let mut closed = Vec::new();
        let mut guard = self.idle.lock();
        let idle = &mut *guard;
        idle.connections.retain(|_, connections| {
            let mut at = 0;
            while at < connections.len() {
                if connections[at].until <= now {
                    closed.extend(connections.remove(at));
                } else {
                    at += 1;
                }
            }
            !connections.is_empty()
        });
        for parked in &closed {
            idle.order.remove(&parked.number);
        }
        idle.swept = !idle.order.is_empty();
        idle.swept
    }
}

/// How long a connection may stay idle if its server says that it keeps it for `kept`.
fn idle_limit(kept: Option<Duration>) -> Duration {
    kept.map_or(IDLE_LIMIT_DEFAULT, |kept| {
        kept.saturating_sub(IDLE_MARGIN).min(IDLE_LIMIT_MAX)
    })
}

/// Runs as long as there are idle connections.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_WAIT).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.close_expired() {
            return;
        }
    }
}

/// Counts a request that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_waits_a_second_less_than_its_server_keeps_it_and_for_half_a_minute_at_most() {
        for (kept_seconds, waits_ms) in [
            (None, 1_500),
            (Some(0), 0),
            (Some(1), 0),
            (Some(2), 1_000),
            (Some(5), 4_000),
            (Some(31), 30_000),
            (Some(3_600), 30_000),
        ] {
            let limit = idle_limit(kept_seconds.map(Duration::from_secs));
            assert_eq!(limit, Duration::from_millis(waits_ms), "{kept_seconds:?}");
        }
    }
}
