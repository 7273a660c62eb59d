//! The settings of an engine, and how it is opened.

use std::{sync::Arc, time::Duration};

#[cfg(feature = "postgres")]
use crate::store::postgres::session::ANSWER_LIMIT;
use crate::{
    address::{
        lookup::Resolve,
        policy::{AddressPolicy, NetworkError},
        system_resolver::SystemResolver,
    },
    clock::{Clock, SystemClock, millis},
    engine::{
        HealthPolicy, Shared, commit::run_writer, due::run_due_loop, keep_places::keep_places,
        watch_clock::watch_clock,
    },
    metrics,
    outgoing::{OutgoingRequest, Watcher},
    retry::RetrySchedule,
    sender::{Sender, SenderSettings, TIME_LIMIT_DEFAULT},
    store::{
        address::Address,
        durability::Durability,
        endpoint_cache::ENDPOINTS_IN_MEMORY_DEFAULT,
        host::Retention,
        open_error::OpenError,
        open_settings::OpenSettings,
        opened::{Opened, Started},
    },
    webhooks::{Engine, Threads, Webhooks},
};

/// How long events and attempts are kept, unless set otherwise.
pub const RETENTION_DEFAULT: Duration = Duration::from_secs(30 * 24 * 3600);
/// An endpoint is disabled after failing continuously for this long, unless set otherwise.
pub const DISABLE_AFTER_DEFAULT: Duration = Duration::from_secs(5 * 24 * 3600);

/// The settings of an engine; created by [`Webhooks::builder`].
#[must_use]
pub struct Builder {
    policy: AddressPolicy,
    resolver: Option<Arc<dyn Resolve>>,
    schedule: RetrySchedule,
    time_limit: Duration,
    connections: Option<usize>,
    durability: Durability,
    keep_events: Duration,
    keep_attempts: Duration,
    disable_after: Option<Duration>,
    endpoints_in_memory: usize,
    key: Option<[u8; 32]>,
    clock: Option<Arc<dyn Clock>>,
    watcher: Option<Watcher>,
    #[cfg(feature = "sqlite")]
    lock_wait: Duration,
    #[cfg(feature = "postgres")]
    migrates: bool,
    #[cfg(feature = "postgres")]
    answer_limit: Duration,
    #[cfg(feature = "postgres")]
    pub(crate) look_wait: Option<Duration>,
    #[cfg(feature = "postgres")]
    pub(crate) lease: Option<Duration>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &self.policy)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            policy: AddressPolicy::default(),
            resolver: None,
            schedule: RetrySchedule::default(),
            time_limit: TIME_LIMIT_DEFAULT,
            connections: None,
            durability: Durability::default(),
            keep_events: RETENTION_DEFAULT,
            keep_attempts: RETENTION_DEFAULT,
            disable_after: Some(DISABLE_AFTER_DEFAULT),
            endpoints_in_memory: ENDPOINTS_IN_MEMORY_DEFAULT,
            key: None,
            clock: None,
            watcher: None,
            #[cfg(feature = "sqlite")]
            lock_wait: Duration::ZERO,
            #[cfg(feature = "postgres")]
            migrates: true,
            #[cfg(feature = "postgres")]
            answer_limit: ANSWER_LIMIT,
            #[cfg(feature = "postgres")]
            look_wait: None,
            #[cfg(feature = "postgres")]
            lease: None,
        }
    }
}

impl Builder {
    /// Where webhooks may go; see [`AddressPolicy`]. Public addresses only by default.
    pub fn addresses(mut self, policy: AddressPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Allows networks that the default refuses, such as `"127.0.0.0/8"` for development.
    ///
    /// # Errors
    /// Names each string that is not a network.
    pub fn allow_networks<N: AsRef<str>>(
        mut self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<Self, NetworkError> {
        self.policy = self.policy.allow_networks(networks)?;
        Ok(self)
    }

    /// Whether only `https` URLs are accepted; by default `http` is allowed too.
    pub fn https_only(mut self, only: bool) -> Self {
        self.policy = self.policy.https_only(only);
        self
    }

    /// When failed deliveries are tried again, for endpoints without a schedule of their own.
    pub fn retry(mut self, schedule: RetrySchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// How long an attempt may take, from the start of connecting to the end of the response headers; 15 s by
    /// default. Looking up the host name comes before that and may take a third of this limit, at most 5 s.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Resolves host names to addresses; a [`SystemResolver`] by default. The address policy applies to its
    /// answers, whichever resolver gives them.
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// The maximum number of open connections, including idle ones. Each is an open file; name lookups can take a
    /// quarter as many in addition. The default is [`CONNECTIONS_MAX_DEFAULT`](crate::CONNECTIONS_MAX_DEFAULT), or
    /// the number of files that the process may open divided by
    /// [`CONNECTIONS_SHARE_OF_FILES`](crate::CONNECTIONS_SHARE_OF_FILES), whichever is less. At least 1.
    pub fn connections(mut self, max: usize) -> Self {
        self.connections = Some(max);
        self
    }

    /// Whether a commit waits for the disk; see [`Durability`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long events and attempts are kept; 30 days each by default. Events must be kept at least as long as the
    /// retry schedule lasts.
    pub fn keep(mut self, events: Duration, attempts: Duration) -> Self {
        self.keep_events = events;
        self.keep_attempts = attempts;
        self
    }

    /// Disables an endpoint once it has failed continuously for this long; 5 days by default. `None` never
    /// disables one.
    pub fn disable_after(mut self, failing: Option<Duration>) -> Self {
        self.disable_after = failing;
        self
    }

    /// How many endpoints are kept in memory, at about 2 kB each; [`ENDPOINTS_IN_MEMORY_DEFAULT`] by default.
    /// Endpoints with requests in flight, waiting events or past failures stay in memory beyond this limit.
    pub fn endpoints_in_memory(mut self, max: usize) -> Self {
        self.endpoints_in_memory = max;
        self
    }

    /// Encrypts endpoints' secrets, URLs and settings in the database with this key. Values that were stored
    /// unencrypted stay readable, and are encrypted when they next change.
    pub fn encryption_key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(key);
        self
    }

    /// Another source of time, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Passes every request to `watch` just before it goes out, for a page or a log of what was really sent. It
    /// runs on the delivery path, so keep it fast.
    pub fn on_request(
        mut self,
        watch: impl Fn(OutgoingRequest<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.watcher = Some(Arc::new(watch));
        self
    }

    /// How long [`Builder::open`] waits for another engine to stop delivering from the file, as in a deployment
    /// that starts the new process before the old one has ended. By default it does not wait, and returns
    /// [`OpenError::InUse`].
    #[cfg(feature = "sqlite")]
    pub fn wait_for_lock(mut self, wait: Duration) -> Self {
        self.lock_wait = wait;
        self
    }

    /// Whether [`Builder::open`] migrates the tables in Postgres to the version that this program needs, which is
    /// the default. Set it to `false` when a migration tool of your own does that with
    /// [`postgres::migrations`](crate::postgres::migrations): older tables are then refused with
    /// [`OpenError::Older`]. Partitions for the coming days are created either way. A SQLite file is always
    /// migrated.
    #[cfg(feature = "postgres")]
    pub fn migrate(mut self, migrates: bool) -> Self {
        self.migrates = migrates;
        self
    }

    /// How long to wait for an answer from Postgres, for tests of what happens after that.
    #[cfg(all(feature = "postgres", feature = "testing"))]
    #[doc(hidden)]
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Opens the store at `address`: `sqlite:<file>`, `sqlite::memory:` or, with the feature `postgres`,
    /// `postgres://…`. Takes over whatever a previous process left, and starts delivering on the current tokio
    /// runtime.
    ///
    /// # Errors
    /// [`OpenError`] says what to do. An existing file is then unchanged.
    pub async fn open(self, address: &str) -> Result<Webhooks, OpenError> {
        let address = Address::parse(address)?;
        if self.keep_events < self.schedule.span() {
            return Err(OpenError::Retention {
                retention: self.keep_events,
                schedule: self.schedule.span(),
            });
        }
        let sender = Sender::new(SenderSettings {
            policy: self.policy,
            resolver: self
                .resolver
                .unwrap_or_else(|| Arc::new(SystemResolver::new())),
            time_limit: self.time_limit,
            connections: self.connections,
            watcher: self.watcher,
        })
        .map_err(|error| OpenError::Client(error.to_string()))?;
        let settings = OpenSettings {
            durability: self.durability,
            #[cfg(feature = "sqlite")]
            lock_wait: self.lock_wait,
            key: self.key,
            schedule: self.schedule,
            #[cfg(feature = "postgres")]
            is_clock_given: self.clock.is_some(),
            #[cfg(feature = "postgres")]
            look_wait: self.look_wait,
            #[cfg(feature = "postgres")]
            lease: self.lease,
            clock: self
                .clock
                .unwrap_or_else(|| Arc::new(SystemClock::default())),
            #[cfg(feature = "postgres")]
            migrates: self.migrates,
            endpoints_in_memory: self.endpoints_in_memory,
            #[cfg(feature = "postgres")]
            answer_limit: self.answer_limit,
        };
        let opened = address.open(settings).await?;
        let health = HealthPolicy {
            disable_after_ms: self.disable_after.map(millis),
            uptime: Arc::clone(opened.uptime()),
        };
        let retention = Retention {
            events_ms: millis(self.keep_events),
            attempts_ms: millis(self.keep_attempts),
        };
        let shared = Shared::new(
            Arc::clone(opened.timeline()),
            opened.lease(),
            sender,
            health,
        );
        Ok(start(opened, Arc::new(shared), retention))
    }
}

impl Webhooks {
    /// Opens the store at `address` with the default settings, and starts delivering.
    ///
    /// `sqlite:webhooks.db` is a file in the current directory, `sqlite::memory:` is for throw-away data,
    /// `postgres://…` is a database (feature `postgres`). Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(address: &str) -> Result<Self, OpenError> {
        Builder::default().open(address).await
    }

    /// A builder, for settings other than the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

fn start(opened: Opened, shared: Arc<Shared>, retention: Retention) -> Webhooks {
    let Started {
        store,
        writer,
        watch,
        lock,
    } = opened.start(Arc::new(shared.host(retention)), &shared.queue);
    let writers = Arc::clone(&shared);
    let writer = std::thread::Builder::new()
        .name("webhooks-writer".to_owned())
        .spawn(move || run_writer(&writers, writer));
    let writer = match writer {
        Ok(writer) => Some(writer),
        Err(error) => {
            // Without its writer the engine refuses every call; the reason is in the log.
            tracing::error!(%error, "the writer thread could not be started");
            shared.queue.close();
            None
        }
    };
    tokio::spawn(run_due_loop(Arc::downgrade(&shared)));
    tokio::spawn(keep_places(Arc::downgrade(&shared)));
    tokio::spawn(watch_clock(Arc::downgrade(&shared)));
    metrics::watch(&shared, &store);
    Webhooks::start(Engine::new(shared, store, Threads { writer, watch }, lock))
}
