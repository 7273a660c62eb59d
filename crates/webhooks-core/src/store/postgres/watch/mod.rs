//! What an engine does besides writing, on a thread of its own: sends its heartbeat, finds nodes that are dead, and
//! notices what others made due and rows of the outbox table.

mod connection;
mod poll;
mod sharing_out;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    sync::{Notify, oneshot},
};

use super::{
    balance::Balance,
    connection::Connector,
    floor::DueLooks,
    history::History,
    listener::{Heard, Listener},
    membership::Membership,
    node::{Alive, FREE_LIMIT, Reading},
    old_snapshot::OldSnapshots,
    pace::Pace,
    pulse::Pulses,
    reaper::{Reaper, Reaping},
    session::Session,
    vacuum::{self, Vacuum},
};
use crate::{
    audience::Audience,
    clock::Timeline,
    crash_point,
    due_time::DueTime,
    store::{ask::Ask, error::StoreError, lease::since_start, queue::WriterQueue, reply::Reply},
};

/// How long to wait for the writer: less than the interval of heartbeats.
const ASK_WAIT: Duration = Duration::from_millis(500);

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

/// What the thread works with.
pub(super) struct Watched {
    pub(super) connector: Connector,
    pub(super) timeline: Arc<Timeline>,
    pub(super) membership: Arc<Membership>,
    pub(super) queue: Arc<WriterQueue>,
    pub(super) due: Arc<DueTime>,
    pub(super) audience: Audience,
    /// For people who look at the table of nodes.
    pub(super) name: String,
    /// Whether the timeline follows the database's clock.
    pub(super) follows_database: bool,
    pub(super) pace: Pace,
}

impl NodeWatch {
    pub(super) fn start(runtime: Runtime, watched: Watched) -> std::io::Result<Self> {
        let stop = Arc::<Stop>::default();
        let heard = Arc::<Heard>::default();
        let listener = Listener {
            connector: watched.connector.clone(),
            membership: Arc::clone(&watched.membership),
            timeline: Arc::clone(&watched.timeline),
            due: Arc::clone(&watched.due),
            audience: watched.audience.clone(),
            heard: Arc::clone(&heard),
        };
        let mut node = Node {
            of: watched,
            connection: None,
            history: None,
            heard,
            stop: Arc::clone(&stop),
            well_since: None,
            beat_at: Duration::ZERO,
            look_at: Duration::ZERO,
            told_heard: (0, 0),
            vacuum: Vacuum::default(),
            vacuum_at: Duration::ZERO,
            pulses: Pulses::default(),
            reaping: Reaping::default(),
            due_looks: DueLooks::default(),
            old_snapshots: OldSnapshots::default(),
            balance: Balance::default(),
        };
        let thread = std::thread::Builder::new()
            .name("webhooks-node".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let (end, ended) = oneshot::channel();
                    let listening = tokio::spawn(listener.run(ended));
                    node.run().await;
                    drop(end);
                    if listening.await.is_err() {
                        tracing::error!("the task that listens to other nodes panicked");
                    }
                });
            })?;
        Ok(Self { stop, thread })
    }

    /// Stops polling; the thread's connections are closed when this returns.
    pub(crate) fn stop(self) {
        self.stop.asked.store(true, Ordering::Release);
        self.stop.wake.notify_one();
        if self.thread.join().is_err() {
            tracing::error!("the thread that looks after this node panicked");
        }
    }
}

/// What a poll of the database found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Something,
    /// So much that it is not finished before the next heartbeat is due.
    More,
}

struct Node {
    of: Watched,
    connection: Option<Session>,
    /// The line of history that the server at its other end follows.
    history: History,
    heard: Arc<Heard>,
    stop: Arc<Stop>,
    /// Since when every heartbeat was answered in time.
    well_since: Option<Duration>,
    /// When the next heartbeat is due, by [`since_start`].
    beat_at: Duration,
    /// When the next poll is due, by [`since_start`].
    look_at: Duration,
    /// The version of all endpoints that was last recorded as heard of, and by which node.
    told_heard: (i64, i64),
    pulses: Pulses,
    reaping: Reaping,
    vacuum: Vacuum,
    /// When to check next whether a vacuum is needed, by [`since_start`].
    vacuum_at: Duration,
    due_looks: DueLooks,
    old_snapshots: OldSnapshots,
    balance: Balance,
}

impl Node {
    async fn run(&mut self) {
        let mut told = false;
        while !self.stop.asked.load(Ordering::Acquire) {
            match self.turn().await {
                Ok(()) if told => {
                    tracing::info!("the database answers again");
                    told = false;
                }
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => {
                    if !told {
                        tracing::warn!(%error, "this engine cannot send its heartbeat; it stops sending webhooks until the database answers");
                        told = true;
                    }
                    self.connection = None;
                    self.well_since = None;
                    self.beat_at = Duration::ZERO;
                }
            }
            let wait = if told {
                self.of.membership.times.beat_wait
            } else {
                self.beat_at.min(self.look_at).saturating_sub(since_start())
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.wake.notified() => {}
                () = self.of.membership.fence.notified() => {}
                () = self.heard.look.notified() => self.look_at = Duration::ZERO,
            }
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "a connection could not be closed cleanly");
        }
    }

    /// Does what is due.
    async fn turn(&mut self) -> Result<(), StoreError> {
        let now = since_start();
        if now >= self.beat_at || self.of.membership.is_fenced() {
            self.beat_at = now + self.of.membership.times.beat_wait;
            self.beat().await?;
            self.share_lanes_out().await?;
        }
        if now >= self.look_at {
            // A poll after a notification says nothing about how often to poll without one.
            let was_told = self.look_at.is_zero();
            let found = self.poll().await?;
            if !was_told {
                self.of.pace.looked(found != Found::Nothing);
            }
            self.look_at = if found == Found::More {
                Duration::ZERO
            } else {
                since_start() + self.of.pace.wait(self.heard.listens())
            };
        }
        Ok(())
    }

    /// Sends this node's heartbeat; joins again if it was declared dead. Looks for other nodes that are dead.
    async fn beat(&mut self) -> Result<(), StoreError> {
        let began = since_start();
        self.look_at_history().await?;
        let now = self.of.timeline.now();
        let node = self.of.membership.node();
        let fenced = self.of.membership.is_fenced();
        let name = self.of.name.clone();
        let follows_database = self.of.follows_database;
        let timeline = Arc::clone(&self.of.timeline);
        let reading = if self.of.audience.is_here() && self.of.connector.keeps_sessions() {
            Reading::Somebody
        } else {
            Reading::Nobody
        };
        let limit = if fenced {
            // It frees what it held. Nothing is sent meanwhile, so that nobody waits for a heartbeat.
            FREE_LIMIT
        } else {
            self.answer_wait()
        };
        let mut reader = self.begin_within(limit).await?;
        if follows_database {
            let before = timeline.monotonic();
            let at = reader.clock().await?;
            timeline.follow(at, (before, timeline.monotonic()));
        }
        let alive = if fenced {
            None
        } else {
            reader.beat(node, now, reading).await?
        };
        let alive = alive.or_else(|| {
            crash_point::is_unfenced().then_some(Alive {
                others: Vec::new(),
                elsewhere: Reading::Nobody,
                staying: Vec::new(),
            })
        });
        if alive.is_none() && !fenced {
            // It joins again with the next heartbeat, which may take longer.
            self.of.membership.fenced(node);
            return self.commit().await;
        }
        let joined = if alive.is_some() {
            None
        } else {
            reader.take_as_long_as(FREE_LIMIT).await?;
            // What it held is free for anybody. The old node may still be alive: it gave its number up.
            reader.leave(node, now).await?;
            Some(reader.join(&name, now).await?)
        };
        self.commit().await?;
        if let Some(alive) = alive {
            self.pulses.note(&alive.others, since_start());
            self.note_nodes(node, &alive.staying);
            let engines = alive.engines();
            let is_told = self.of.connector.keeps_sessions();
            let elsewhere = alive.elsewhere == Reading::Somebody && is_told;
            self.of.audience.elsewhere.set(elsewhere);
            if self.of.membership.engines.swap(engines, Ordering::Relaxed) != engines {
                // The writer gives each endpoint its share with its next transaction.
                self.ask(Ask::NoteClock).await?;
            }
        }
        match joined {
            None => self.of.membership.beaten(began),
            Some(joined) => {
                self.note_nodes(joined, &[]);
                tracing::warn!(
                    was = node,
                    now = joined,
                    "this engine was taken for dead, or could not find out what it had stored; it continues as a new node"
                );
                self.of
                    .membership
                    .joined((joined, self.history.clone()), began);
                // The writer learns of it with its next batch.
                self.ask(Ask::NoteClock).await?;
            }
        }
        let well_since = *self.well_since.get_or_insert(began);
        // After an outage of the database no node is declared dead because it had no database.
        let times = self.of.membership.times;
        if since_start().saturating_sub(well_since) >= times.lease {
            let silent = self.pulses.silent(times, (well_since, since_start()));
            if !silent.is_empty() {
                let reaper = Reaper {
                    connector: self.of.connector.clone(),
                    lease: times.lease,
                    due: Arc::clone(&self.of.due),
                    bell: Arc::clone(&self.of.membership.bell),
                };
                self.reaping.begin(reaper, silent, now);
            }
        }
        if began >= self.vacuum_at {
            self.vacuum_at = began + vacuum::LOOK_WAIT;
            self.look_for_dead_rows().await?;
        }
        Ok(())
    }

    /// Vacuums tables with many dead rows. Not behind a pooler, where no connection can be kept for it.
    async fn look_for_dead_rows(&mut self) -> Result<(), StoreError> {
        if !self.of.connector.keeps_sessions() {
            return Ok(());
        }
        let connector = self.of.connector.clone();
        let mut vacuum = std::mem::take(&mut self.vacuum);
        let mut old_snapshots = std::mem::take(&mut self.old_snapshots);
        let looked = match self.begin().await {
            Ok(mut reader) => match vacuum.look(&connector, &mut reader).await {
                Ok(()) => old_snapshots.look(&mut reader, since_start()).await,
                error => error,
            },
            Err(error) => Err(error),
        };
        self.vacuum = vacuum;
        self.old_snapshots = old_snapshots;
        looked?;
        self.commit().await
    }

    /// Asks the writer. `None` if it refuses, or does not answer before the next heartbeat: neither means that
    /// this node is not alive, and what it did not do is asked for again.
    ///
    /// # Errors
    /// The engine is stopping.
    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<Option<T>, StoreError> {
        let answer = tokio::time::timeout(ASK_WAIT, self.of.queue.ask(ask));
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
}
