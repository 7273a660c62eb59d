//! The senders: each caller waits for an answer before it sends the next event.

use std::time::Duration;

use anyhow::Context;
use rand::{RngExt, rngs::StdRng};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::watch;
use webhooks_core::{Event, SendError, Webhooks};

use super::{
    ledger::{OF_APP, ORDERED, Said},
    line::Line,
    mark::Mark,
    receiver::SHAKY,
};

/// Customers, each with one endpoint.
pub const CUSTOMERS: [&str; 5] = ["plain", ORDERED, SHAKY, OF_APP[0], OF_APP[1]];
/// The app's own table, with the mark of each event that was stored with a row.
pub const APP_TABLE: &str = "create table app_order (mark int8 primary key)";

/// The longest pause between two events.
const PAUSE_MAX: Duration = Duration::from_millis(4);
/// The pause after an error.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// A transaction of the app's that takes longer was cut off.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(15);
/// One transaction in this many is held open,
const HELD_ONE_IN: u32 = 200;
/// for at most this long: longer than a node's lease.
const HELD_MAX: Duration = Duration::from_secs(12);

/// How a caller sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To this customer, with an id from the engine.
    Send(&'static str),
    /// With an id from the caller, which sends the same event again after an error.
    SendAgain,
    /// In the app's own transaction; half of them are rolled back.
    SendIn,
    /// As a row of the outbox table; half of them are rolled back.
    OutboxRow,
}

impl Kind {
    /// The callers of a node.
    pub const EVERY: [Self; 10] = [
        Self::Send("plain"),
        Self::Send("plain"),
        Self::SendAgain,
        Self::SendAgain,
        Self::Send(ORDERED),
        Self::Send(ORDERED),
        Self::Send(SHAKY),
        Self::SendIn,
        Self::SendIn,
        Self::OutboxRow,
    ];
}

/// A sender.
pub struct Caller {
    life: u32,
    number: u8,
    database: String,
    webhooks: Webhooks,
    /// For what it does in its own transactions.
    connection: Option<PgConnection>,
    random: StdRng,
}

/// How an app's transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Commit,
    RollBack,
}

impl Caller {
    /// `number` is the caller's number in its node's `life`.
    #[must_use]
    pub fn new((life, number): (u32, u8), database: &str, webhooks: &Webhooks) -> Self {
        Self {
            life,
            number,
            database: database.to_owned(),
            webhooks: webhooks.clone(),
            connection: None,
            random: rand::make_rng(),
        }
    }

    /// Sends until `quiet` is true.
    ///
    /// # Errors
    /// When an event is refused because of its contents.
    pub async fn run(mut self, kind: Kind, quiet: watch::Receiver<bool>) -> anyhow::Result<()> {
        for number in 0.. {
            if *quiet.borrow() {
                break;
            }
            let mark = Mark::new(self.life, self.number, number);
            match kind {
                Kind::Send(customer) => drop(self.send(customer, mark, None).await?),
                Kind::SendAgain => {
                    let id = Some(mark.to_string());
                    while !self.send("plain", mark, id.clone()).await? {}
                }
                Kind::SendIn | Kind::OutboxRow => self.in_transaction(kind, mark).await,
            }
            let pause = self.random.random_range(Duration::ZERO..PAUSE_MAX);
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Returns whether it was stored.
    async fn send(
        &mut self,
        customer: &str,
        mark: Mark,
        id: Option<String>,
    ) -> anyhow::Result<bool> {
        say(Said::Sending(mark, now()));
        let mut event = event(mark);
        if let Some(id) = id {
            event = event.id(id);
        }
        match self.webhooks.send(customer, event).await {
            Ok(_) => {
                say(Said::Stored(mark, now()));
                Ok(true)
            }
            Err(error @ (SendError::Store(_) | SendError::Busy(_))) => {
                say(Said::Refused(mark));
                tracing::info!(%mark, %error, "refused");
                tokio::time::sleep(ERROR_PAUSE).await;
                Ok(false)
            }
            Err(error) => Err(error).with_context(|| format!("{customer} {mark}")),
        }
    }

    async fn in_transaction(&mut self, kind: Kind, mark: Mark) {
        let end = if self.random.random() {
            End::Commit
        } else {
            End::RollBack
        };
        say(match end {
            End::Commit => Said::Sending(mark, now()),
            End::RollBack => Said::RollingBack(mark),
        });
        let held = self.random.random_ratio(1, HELD_ONE_IN);
        let hold = if held {
            self.random.random_range(Duration::ZERO..HELD_MAX)
        } else {
            Duration::ZERO
        };
        let limit = TRANSACTION_LIMIT + hold;
        let ended = tokio::time::timeout(limit, self.transact(kind, mark, (end, hold))).await;
        match ended {
            Ok(Ok(())) if end == End::Commit => say(Said::Stored(mark, now())),
            Ok(Ok(())) => {}
            ended => {
                if end == End::Commit {
                    say(Said::Refused(mark));
                }
                match ended {
                    Ok(Err(error)) => tracing::info!(%mark, %error, "refused"),
                    _ => tracing::info!(%mark, "no answer"),
                }
                // Dropped in the middle of whatever it was doing.
                self.connection = None;
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }

    async fn transact(
        &mut self,
        kind: Kind,
        mark: Mark,
        (end, hold): (End, Duration),
    ) -> anyhow::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => PgConnection::connect(&self.database).await?,
        };
        connection.execute("begin").await?;
        let order = format!("insert into app_order values ({})", mark.to_sql());
        connection.execute(AssertSqlSafe(order)).await?;
        let sent = if kind == Kind::SendIn {
            let event = event(mark);
            Some(
                self.webhooks
                    .send_in(&mut connection, OF_APP[0], event)
                    .await?,
            )
        } else {
            let id = self.random.random::<bool>().then(|| mark.to_string());
            sqlx::query(
                "insert into webhooks.outbox (customer, type, data, event_id)
                 values ($1, 'order:placed', $2::text::json, $3)",
            )
            .bind(OF_APP[1])
            .bind(data(mark).to_string())
            .bind(id)
            .execute(&mut connection)
            .await?;
            None
        };
        tokio::time::sleep(hold).await;
        connection
            .execute(match end {
                End::Commit => "commit",
                End::RollBack => "rollback",
            })
            .await?;
        if let Some(sent) = sent
            && self.random.random()
        {
            sent.deliver_now();
        }
        self.connection = Some(connection);
        Ok(())
    }
}

fn data(mark: Mark) -> serde_json::Value {
    json!({ "mark": mark.to_string() })
}

fn event(mark: Mark) -> Event {
    Event::new("order:placed", &data(mark))
}

fn say(said: Said) {
    Line::Said(said).say();
}

/// Nanoseconds on a clock that all processes on the machine share.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = now.tv_sec.unsigned_abs();
    seconds * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
