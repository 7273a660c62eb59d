//! The replay guard: each id is handled once.
//!
//! A key is claimed before its handler runs and confirmed afterwards. A second copy finds either the claim (409:
//! the sender retries) or the confirmation (204: done). If a handler fails, panics or takes too long, the claim is
//! released, so that the sender's retry gets through. A process that dies leaves claims behind, which end by
//! themselves a little after the time limit; what it was doing may then be done a second time. To do something
//! exactly once even across a crash, the handler must record the id in the same transaction as its work.

mod claim;
mod memory;
mod once;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use claim::ReplayError;
pub use once::{OnceError, OnceOutcome};

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use claim::{Answer, KeyHash};
use memory::Memory;

/// A little more than twice the three days for which the schedule of Standard Webhooks retries.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Measured: 35 MB in memory, or 20 MB in a file.
const DEFAULT_MAX_KEYS: usize = 200_000;

/// Longer than senders wait for an answer, so that slow work may finish after they hang up.
const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(60);

/// A claim outlives its handler's time limit by this much, so that the confirmation is written before anyone else
/// may claim the key.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Remembers which ids were handled. Cheap to clone; clones share what they remember.
///
/// ```
/// use axum::extract::State;
/// use axum::http::StatusCode;
/// use webhooks_core::receive::{OnceError, OnceOutcome, ReplayGuard, Verified};
/// # async fn text(number: u32) -> Result<(), StatusCode> { Ok(()) }
///
/// async fn hook(
///     State(guard): State<ReplayGuard>,
///     event: Verified<u32>,
/// ) -> Result<OnceOutcome<StatusCode>, OnceError<StatusCode>> {
///     let number = event.data;
///     guard
///         .once(&event.id, move || async move {
///             text(number).await?;
///             Ok(StatusCode::NO_CONTENT)
///         })
///         .await
/// }
/// ```
#[derive(Clone)]
pub struct ReplayGuard {
    store: Arc<Store>,
    max_age: Duration,
    max_keys: usize,
    time_limit: Duration,
    clock: Clock,
}

enum Store {
    Memory(Mutex<Memory>),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Sqlite),
}

/// The answer to a [`ReplayGuard::claim`].
#[derive(Debug)]
#[must_use]
pub enum ClaimOutcome {
    /// The key is new: handle it, then confirm.
    Granted(KeyLease),
    /// It was handled before; answer as if handling it had succeeded.
    Already,
    /// Another copy is being handled and may yet fail; let the sender retry.
    Underway,
}

/// The right to handle one key. Dropping it releases the key, so that a retry gets through.
#[must_use]
pub struct KeyLease {
    guard: ReplayGuard,
    key: KeyHash,
    /// Fences off a holder whose claim has ended and gone to another.
    token: i64,
    open: bool,
}

impl ReplayGuard {
    /// Remembers in memory: for tests, and where handling twice after a restart does no harm.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(Store::Memory(Mutex::default()))
    }

    /// Remembers in a SQLite file of its own, across restarts. Several processes may share it.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Open`] when the file cannot be created, opened or read.
    #[cfg(feature = "sqlite")]
    pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, ReplayError> {
        Ok(Self::new(Store::Sqlite(sqlite::Sqlite::open(
            path.as_ref(),
        )?)))
    }

    fn new(store: Store) -> Self {
        Self {
            store: Arc::new(store),
            max_age: DEFAULT_MAX_AGE,
            max_keys: DEFAULT_MAX_KEYS,
            time_limit: DEFAULT_TIME_LIMIT,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// How long a handled key is remembered; 7 days by default. It should be longer than the sender retries for.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// How many keys are remembered; beyond that the oldest handled ones are forgotten. 200 000 by default. Set it
    /// higher than the number of events that arrive while the sender still retries them.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys.max(1);
        self
    }

    /// How long [`once`](Self::once) lets a handler run, and how long a claim is respected; 60 s by
    /// default.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Where "now" comes from; the system's clock by default.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// Claims a key. Most callers should use [`once`](Self::once), which cannot forget to confirm.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] if the guard cannot tell whether the key is new; then do not handle it.
    pub async fn claim(&self, key: &str) -> Result<ClaimOutcome, ReplayError> {
        self.claim_hash(hash(key)).await
    }

    async fn claim_hash(&self, key: KeyHash) -> Result<ClaimOutcome, ReplayError> {
        let now = (self.clock)();
        let token = rand::random();
        let term = now..later(now, self.time_limit + LEASE_MARGIN);
        let answer = match &*self.store {
            Store::Memory(memory) => memory.lock().claim(key, token, term, self.max_keys),
            #[cfg(feature = "sqlite")]
            Store::Sqlite(sqlite) => sqlite.claim(key, token, term, self.max_keys).await?,
        };
        match answer {
            Answer::Granted => Ok(ClaimOutcome::Granted(KeyLease {
                guard: self.clone(),
                key,
                token,
                open: true,
            })),
            Answer::Already => Ok(ClaimOutcome::Already),
            Answer::Underway => Ok(ClaimOutcome::Underway),
            Answer::Full => Err(ReplayError::Full {
                limit: self.max_keys,
            }),
        }
    }
}

impl KeyLease {
    /// Confirms that the key was handled; further copies are turned away from now on, even after a restart.
    ///
    /// # Errors
    ///
    /// [`ReplayError::ClaimEnded`] if another copy may have been let through meanwhile, and [`ReplayError::Store`]
    /// if the confirmation could not be written.
    pub async fn confirm(mut self) -> Result<(), ReplayError> {
        let now = (self.guard.clock)();
        let until = later(now, self.guard.max_age);
        let confirmed = match &*self.guard.store {
            Store::Memory(memory) => memory.lock().confirm(self.key, self.token, until),
            #[cfg(feature = "sqlite")]
            Store::Sqlite(sqlite) => sqlite.confirm(self.key, self.token, until).await?,
        };
        self.open = false;
        if confirmed {
            Ok(())
        } else {
            Err(ReplayError::ClaimEnded {
                limit: self.guard.time_limit,
            })
        }
    }

    /// Releases the key because handling it failed; the next copy may try.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Store`] if that could not be written; the claim then ends by itself.
    pub async fn release(mut self) -> Result<(), ReplayError> {
        match &*self.guard.store {
            Store::Memory(memory) => memory.lock().release(self.key, self.token),
            #[cfg(feature = "sqlite")]
            Store::Sqlite(sqlite) => sqlite.release(self.key, self.token).await?,
        }
        self.open = false;
        Ok(())
    }
}

impl Drop for KeyLease {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        match &*self.guard.store {
            Store::Memory(memory) => memory.lock().release(self.key, self.token),
            #[cfg(feature = "sqlite")]
            Store::Sqlite(sqlite) => sqlite.release_later(self.key, self.token),
        }
    }
}

impl fmt::Debug for KeyLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLease")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayGuard")
            .field("durable", &!matches!(&*self.store, Store::Memory(_)))
            .field("max_age", &self.max_age)
            .field("max_keys", &self.max_keys)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key).into()
}

/// A time too far away to be stored is as good as never.
fn later(now: SystemTime, by: Duration) -> SystemTime {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(by.min(FAR)).unwrap_or(now)
}
