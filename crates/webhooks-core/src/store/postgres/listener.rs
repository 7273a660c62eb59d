//! The connection on which a node notifies others and is notified by them: LISTEN and NOTIFY on a channel that
//! has the schema's name.
//!
//! It is reopened when it is lost. While somebody reads the live stream on another node, activities are sent on
//! it too, on a channel that only nodes with readers listen to. Not used behind a pooler, where a connection
//! belongs to another client after each transaction.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Executor, PgPool, Row,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{
    bell::Call,
    connection::Connector,
    live::{self, Hearing},
    membership::Membership,
    session::{ANSWER, within},
};
use crate::{audience::Audience, clock::Timeline, due_time::DueTime};

/// At most one notification in this time: it covers all commits since the last.
const RING_WAIT: Duration = Duration::from_millis(2);
/// The same for activities: nobody waits for them, and there can be many.
const TELL_WAIT: Duration = Duration::from_millis(100);
/// How long the database may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// After this long without traffic the connection is tested: a firewall may have dropped it without telling
/// either side.
const QUIET_MAX: Duration = Duration::from_secs(15);
/// Between two tries to connect.
const CONNECT_PAUSE: Duration = Duration::from_secs(1);

/// What this node has heard, for its watch.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether others are heard at all: if not, the watch polls more often.
    listens: AtomicBool,
    /// There is a reason to poll.
    pub(super) look: Notify,
}

impl Heard {
    pub(super) fn listens(&self) -> bool {
        self.listens.load(Ordering::Acquire)
    }

    fn set(&self, listens: bool) {
        self.listens.store(listens, Ordering::Release);
        // A poll finds what happened while nothing was heard, and adjusts how often to poll.
        self.look.notify_one();
    }
}

/// Listens, and notifies.
pub(super) struct Listener {
    pub(super) connector: Connector,
    pub(super) membership: Arc<Membership>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) due: Arc<DueTime>,
    pub(super) audience: Audience,
    pub(super) heard: Arc<Heard>,
}

impl Listener {
    /// Runs until the other end of `ended` is dropped; the connection is closed then.
    pub(super) async fn run(self, mut ended: oneshot::Receiver<()>) {
        if !self.connector.keeps_sessions() {
            return;
        }
        let mut hearing = Hearing::default();
        loop {
            match Line::open(&self.connector).await {
                Ok(mut line) => {
                    self.heard.set(true);
                    let lost = tokio::select! {
                        lost = self.listen(&mut line, &mut hearing) => Some(lost),
                        _ = &mut ended => None,
                    };
                    line.close().await;
                    let Some(lost) = lost else { return };
                    self.heard.set(false);
                    tracing::debug!(
                        error = lost.err().map(tracing::field::display),
                        "the listening connection was lost; reconnecting"
                    );
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection to listen on: this node notices what others do only by polling");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(CONNECT_PAUSE) => {}
                _ = &mut ended => return,
            }
        }
    }

    /// Listens and notifies until the connection is lost.
    async fn listen(&self, line: &mut Line, hearing: &mut Hearing) -> sqlx::Result<()> {
        let bell = &self.membership.bell;
        let elsewhere = &self.audience.elsewhere;
        let mut ring_at = Instant::now();
        let (mut told_at, mut tell_at) = (ring_at, None);
        if self.audience.is_here() {
            line.hear_live().await?;
        }
        loop {
            tokio::select! {
                received = line.listener.try_recv() => {
                    let Some(notification) = received? else { return Ok(()) };
                    if notification.process_id() == line.process {
                        continue;
                    }
                    if notification.channel() == line.channel {
                        self.hear(notification.payload());
                    } else if self.audience.is_here() {
                        let schema = self.connector.address.schema.name();
                        for activity in hearing.hear(schema, notification.payload()) {
                            self.audience.tell_here(activity);
                        }
                    } else {
                        line.leave_live().await?;
                        hearing.forget();
                    }
                }
                () = elsewhere.came() => line.hear_live().await?,
                () = elsewhere.rung(), if tell_at.is_none() => {
                    tell_at = Some(told_at + TELL_WAIT);
                }
                () = sleep_until(tell_at.unwrap_or(told_at)), if tell_at.is_some() => {
                    self.tell(line).await?;
                    (told_at, tell_at) = (Instant::now(), None);
                }
                () = bell.rung() => {
                    sleep_until(ring_at).await;
                    if let Some(notify) = bell.take().notification(&line.channel) {
                        line.ask(notify).await?;
                    }
                    ring_at = Instant::now() + RING_WAIT;
                }
                () = tokio::time::sleep(QUIET_MAX) => line.ask("select 1".to_owned()).await?,
            }
        }
    }

    /// Sends activities to other nodes. If the connection is lost meanwhile, they learn from the next message
    /// how much they missed.
    async fn tell(&self, line: &mut Line) -> sqlx::Result<()> {
        let waiting = self.audience.elsewhere.take();
        let schema = self.connector.address.schema.name();
        let payloads = live::payloads(schema, self.membership.node(), &waiting);
        if payloads.is_empty() {
            return Ok(());
        }
        let told = sqlx::query("select pg_notify($1, payload) from unnest($2::text[]) payload")
            .bind(&line.live)
            .bind(payloads)
            .execute(&mut line.listener);
        within(ANSWER_WAIT, ANSWER, told).await.map(drop)
    }

    fn hear(&self, payload: &str) {
        match Call::of(payload, self.membership.node()) {
            Call::NotForUs => {}
            Call::Due => self.due.by(self.timeline.now()),
            Call::Look => self.heard.look.notify_one(),
        }
    }
}

/// The connection. sqlx receives notifications only through a pool: this one has a single connection.
struct Line {
    pool: PgPool,
    listener: PgListener,
    channel: String,
    /// The channel for activities.
    live: String,
    hears_live: bool,
    /// The server process of this connection, which also receives its own notifications.
    process: u32,
}

impl Line {
    async fn open(connector: &Connector) -> sqlx::Result<Self> {
        let channel = connector.address.schema.name().to_owned();
        let live = live::channel(&channel);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ANSWER_WAIT)
            .connect_lazy_with(connector.options());
        let opened = within(ANSWER_WAIT, ANSWER, async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.ignore_pool_close_event(true);
            // We open another one when it is lost.
            listener.eager_reconnect(false);
            let row = sqlx::query("select pg_backend_pid()")
                .fetch_one(&mut listener)
                .await?;
            let process: i32 = row.try_get(0)?;
            listener.listen(&channel).await?;
            Ok((listener, process.unsigned_abs()))
        });
        match opened.await {
            Ok((listener, process)) => Ok(Self {
                pool,
                listener,
                channel,
                live,
                hears_live: false,
                process,
            }),
            Err(error) => {
                close(&pool).await;
                Err(error)
            }
        }
    }

    async fn ask(&mut self, statement: String) -> sqlx::Result<()> {
        let asked = self.listener.execute(AssertSqlSafe(statement));
        within(ANSWER_WAIT, ANSWER, asked).await.map(drop)
    }

    /// Makes it receive the activities of other nodes.
    async fn hear_live(&mut self) -> sqlx::Result<()> {
        if !self.hears_live {
            let heard = self.listener.listen(&self.live);
            within(ANSWER_WAIT, ANSWER, heard).await?;
            self.hears_live = true;
        }
        Ok(())
    }

    async fn leave_live(&mut self) -> sqlx::Result<()> {
        let left = self.listener.unlisten(&self.live);
        within(ANSWER_WAIT, ANSWER, left).await?;
        self.hears_live = false;
        Ok(())
    }

    async fn close(self) {
        drop(self.listener);
        close(&self.pool).await;
    }
}

async fn close(pool: &PgPool) {
    if timeout(ANSWER_WAIT, pool.close()).await.is_err() {
        tracing::debug!("a connection could not be closed cleanly");
    }
}
