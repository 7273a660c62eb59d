//! What an engine does beside its writer, on a thread of its own: says that it lives, finds others that
//! do not, notices rows of the outbox table.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use sqlx::Row;
use tokio::{runtime::Runtime, sync::Notify};

use super::{
    connection::Connector,
    floor::{DueFloors, DueLooks, Look},
    node::{BEAT_WAIT, LEASE, STOP_AFTER},
    row::Reader,
    session::Session,
    vacuum::{self, Vacuum},
};
use crate::{
    clock::Timeline,
    model::outbox_rows::TakenRows,
    store::{
        ask::Ask,
        error::StoreError,
        lease::{Lease, since_start},
        queue::WriterQueue,
        reply::Reply,
    },
};

/// Between two looks at the outbox table: a row is taken within twice this.
const LOOK_WAIT: Duration = Duration::from_millis(50);

/// How long an answer is waited for where none takes long: whoever does not answer in that time is asked
/// on another connection before the lease of this node has ended.
const ANSWER_WAIT: Duration = Duration::from_secs(4);

/// How long the writer is waited for: less than a beat.
const ASK_WAIT: Duration = Duration::from_millis(500);

/// As which node an engine works, and whether it may.
pub(crate) struct Membership {
    node: AtomicI64,
    lease: Arc<Lease>,
    /// The version of all endpoints that the writer has heard of; 0 before it has looked.
    version: AtomicI64,
    /// How many are alive, this one among them.
    engines: Arc<AtomicUsize>,
    /// From where scans for what is due begin.
    pub(super) due_floors: DueFloors,
    /// It was declared dead, or gives its number up.
    fenced: AtomicBool,
    /// Signalled with it.
    fence: Notify,
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
        }
    }

    pub(super) fn node(&self) -> i64 {
        self.node.load(Ordering::Acquire)
    }

    /// The version of all endpoints that the writer has heard of.
    fn version(&self) -> Option<i64> {
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

    /// A beat was answered that began then.
    fn beaten(&self, began: Duration) {
        self.lease.renew(began, STOP_AFTER);
    }

    fn joined(&self, node: i64, began: Duration) {
        self.beaten(began);
        self.node.store(node, Ordering::Release);
        self.fenced.store(false, Ordering::Release);
    }
}

/// The thread that looks after a node. It ends when it is stopped.
pub(crate) struct NodeWatch {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Stop {
    asked: AtomicBool,
    wake: Notify,
}

impl NodeWatch {
    pub(super) fn start(
        runtime: Runtime,
        connector: Connector,
        timeline: Arc<Timeline>,
        membership: Arc<Membership>,
        queue: Arc<WriterQueue>,
        (name, follows_database): (String, bool),
    ) -> std::io::Result<Self> {
        let stop = Arc::<Stop>::default();
        let mut node = Node {
            connector,
            connection: None,
            timeline,
            membership,
            queue,
            name,
            follows_database,
            stop: Arc::clone(&stop),
            well_since: None,
            looks: 0,
            vacuum: Vacuum::default(),
            vacuum_at: Duration::ZERO,
            due_looks: DueLooks::default(),
        };
        let thread = std::thread::Builder::new()
            .name("webhooks-node".to_owned())
            .spawn(move || runtime.block_on(node.run()))?;
        Ok(Self { stop, thread })
    }

    /// No further look is begun; the thread's connection is closed when this returns.
    pub(crate) fn stop(self) {
        self.stop.asked.store(true, Ordering::Release);
        self.stop.wake.notify_one();
        if self.thread.join().is_err() {
            tracing::error!("the thread that looks after this node had panicked");
        }
    }
}

struct Node {
    connector: Connector,
    connection: Option<Session>,
    timeline: Arc<Timeline>,
    membership: Arc<Membership>,
    queue: Arc<WriterQueue>,
    name: String,
    /// Whether the timeline follows the database's clock.
    follows_database: bool,
    stop: Arc<Stop>,
    /// Since when every beat was answered in time.
    well_since: Option<Duration>,
    looks: u32,
    vacuum: Vacuum,
    /// When it is next looked whether a vacuum is needed, by [`since_start`].
    vacuum_at: Duration,
    due_looks: DueLooks,
}

impl Node {
    async fn run(&mut self) {
        let looks_a_beat =
            u32::try_from(BEAT_WAIT.as_millis() / LOOK_WAIT.as_millis()).unwrap_or(1);
        let mut told = false;
        while !self.stop.asked.load(Ordering::Acquire) {
            let beats = self.looks.is_multiple_of(looks_a_beat) || self.is_fenced();
            self.looks = self.looks.wrapping_add(1);
            let done = if beats { self.beat().await } else { Ok(()) };
            let done = match done {
                Ok(()) => self.look().await,
                error => error,
            };
            match done {
                Ok(()) if told => {
                    tracing::info!("the database answers again");
                    told = false;
                }
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    if !told {
                        tracing::warn!(%error, "this engine cannot say that it lives; it stops sending until the database answers");
                        told = true;
                    }
                    self.connection = None;
                    self.well_since = None;
                    self.looks = 0;
                }
            }
            let wait = if told { BEAT_WAIT } else { LOOK_WAIT };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.wake.notified() => {}
                () = self.membership.fence.notified() => {}
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "a connection could not be closed in order");
        }
    }

    fn is_fenced(&self) -> bool {
        self.membership.fenced.load(Ordering::Acquire)
    }

    /// Says that this node lives; joins anew when it was declared dead. Looks for others that are.
    async fn beat(&mut self) -> Result<(), StoreError> {
        let began = since_start();
        let now = self.timeline.now();
        let node = self.membership.node();
        let fenced = self.is_fenced();
        let name = self.name.clone();
        let follows_database = self.follows_database;
        let timeline = Arc::clone(&self.timeline);
        let mut reader = self.begin().await?;
        if follows_database {
            let before = timeline.wall();
            let at = reader.clock().await?;
            timeline.follow(at, (before, timeline.wall()));
        }
        let alive = if fenced {
            None
        } else {
            reader.beat(node, now).await?
        };
        let joined = if alive.is_some() {
            None
        } else {
            // What it had is free, whoever takes it. It may be alive still: it gave its number up.
            reader.leave(node, now).await?;
            Some(reader.join(&name, now).await?)
        };
        self.commit().await?;
        if let Some(alive) = alive
            && self.membership.engines.swap(alive, Ordering::Relaxed) != alive
        {
            // The writer gives each endpoint its share with its next transaction.
            self.ask(Ask::NoteClock).await?;
        }
        match joined {
            None => self.membership.beaten(began),
            Some(joined) => {
                tracing::warn!(
                    was = node,
                    now = joined,
                    "this engine was taken for dead, or could not learn what it had stored; it goes on as another node"
                );
                self.membership.joined(joined, began);
                // The writer learns of it with its next batch.
                self.ask(Ask::NoteClock).await?;
            }
        }
        let well_since = *self.well_since.get_or_insert(began);
        // After an outage of the database nobody is declared dead for having had no database.
        if since_start().saturating_sub(well_since) >= LEASE {
            self.reap(now).await?;
        }
        if began >= self.vacuum_at {
            self.vacuum_at = began + vacuum::LOOK_WAIT;
            self.look_for_dead_rows().await?;
        }
        Ok(())
    }

    /// Vacuums what has many dead rows. Not behind a pooler, where no connection can be kept for it.
    async fn look_for_dead_rows(&mut self) -> Result<(), StoreError> {
        if !self.connector.names_statements() {
            return Ok(());
        }
        let connector = self.connector.clone();
        let mut vacuum = std::mem::take(&mut self.vacuum);
        let looked = match self.begin().await {
            Ok(mut reader) => vacuum.look(&connector, &mut reader).await,
            Err(error) => Err(error),
        };
        self.vacuum = vacuum;
        looked?;
        self.commit().await
    }

    async fn reap(&mut self, now: i64) -> Result<(), StoreError> {
        let node = self.membership.node();
        // It can be much that a dead node held.
        let mut reader = self.begin_within(self.connector.answer_limit).await?;
        let reaped = reader.reap(node, now).await?;
        self.commit().await?;
        if !reaped.nodes.is_empty() {
            tracing::warn!(
                nodes = ?reaped.nodes,
                deliveries = reaped.deliveries,
                "nodes were not heard of for {} s; what they held is free",
                LEASE.as_secs()
            );
            self.wake_scan().await?;
        }
        Ok(())
    }

    /// Takes what waits in the outbox table, and has due what others made due.
    async fn look(&mut self) -> Result<(), StoreError> {
        let now = self.timeline.now();
        let node = self.membership.node();
        let heard_of = self.membership.version();
        let due_from = self.due_looks.from(since_start());
        let mut reader = self.begin().await?;
        let (began, from) = (since_start(), due_from.map(|from| from.unwrap_or(i64::MIN)));
        let first_due = reader.first_due(node, from).await?;
        let took = since_start().saturating_sub(began);
        let row = reader
            .query(
                "select exists (select 1 from webhooks.outbox where refused is null),
                        (select version from webhooks.change)",
            )
            .fetch_one(&mut *reader.connection)
            .await?;
        let (waits, version): (bool, i64) = (row.try_get(0)?, row.try_get(1)?);
        self.commit().await?;
        self.due_looks.looked(
            due_from,
            Look { began, took },
            (first_due, now),
            &self.membership.due_floors,
        );
        let due_at = first_due.into_iter().flatten().min();
        if heard_of.is_some_and(|heard_of| heard_of != version) {
            // The writer hears of it with its next transaction.
            self.ask(Ask::NoteClock).await?;
        }
        if waits {
            loop {
                let taken: Option<TakenRows> = self.ask(Ask::TakeRows).await?;
                let more = taken.is_some_and(|taken| taken.more);
                if !more || self.stop.asked.load(Ordering::Acquire) {
                    break;
                }
            }
        }
        if due_at.is_some_and(|at| at <= now) {
            self.wake_scan().await?;
        }
        Ok(())
    }

    /// Others have made something due: the due loop looks.
    async fn wake_scan(&self) -> Result<(), StoreError> {
        self.ask(Ask::LookForDue).await.map(drop)
    }

    /// Asks the writer. `None` when it refuses, or does not answer before the next beat: neither says
    /// that this node does not live, and what it did not do is asked for again.
    ///
    /// # Errors
    /// The engine stops.
    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<Option<T>, StoreError> {
        let answer = tokio::time::timeout(ASK_WAIT, self.queue.ask(ask));
        let answer = tokio::select! {
            answer = answer => answer,
            () = self.stop.wake.notified() => return Err(StoreError::Closed),
        };
        match answer {
            Ok(Ok(answer)) => Ok(Some(answer)),
            Ok(Err(StoreError::Closed)) => Err(StoreError::Closed),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the writer refused what its watch asked for");
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    async fn begin(&mut self) -> Result<Reader<'_>, StoreError> {
        self.begin_within(ANSWER_WAIT.min(self.connector.answer_limit))
            .await
    }

    /// Begins a transaction each of whose statements is answered within `limit`.
    async fn begin_within(&mut self, limit: Duration) -> Result<Reader<'_>, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connector.connect().await?,
        };
        let connection = self.connection.insert(connection);
        connection.answers_within(limit);
        connection
            .execute(sqlx::AssertSqlSafe(self.connector.begin()))
            .await?;
        Ok(Reader {
            connection,
            schema: &self.connector.address.schema,
            names_statements: self.connector.names_statements(),
        })
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        if let Some(connection) = &mut self.connection {
            connection.execute("commit").await?;
        }
        Ok(())
    }
}
