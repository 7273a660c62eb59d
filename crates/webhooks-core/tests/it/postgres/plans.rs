//! How much is read for each thing that is done: on empty tables, on those that were vacuumed while they
//! were empty, and on large ones of which nobody made statistics. A plan that reads a whole table is found here, whatever it looks like.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use scratch_postgres::Database;
use webhooks_core::{
    DeliveryFilter, EndpointId, Event, NewEndpoint, Webhooks,
    testing::{ManualClock, Receiver},
};

use super::open_with;

/// Rows of each large table.
const LARGE: u64 = 100_000;
/// What the tables are like, one after the other.
const ROUNDS: [&str; 5] = ["empty", "emptied", "analyzed", "large", "outgrown"];
/// Events that are sent and delivered in each.
const SENT: u64 = 300;
/// Rows and index entries that one send with its delivery may read, over all tables: with what the
/// due loop and the beats read meanwhile it was 5 to 9.
const READ_A_DELIVERY: u64 = 30;
/// The same for all that a person asks, where a page looks through some thousand events: less than a large
/// table has, so that not one of the questions may read one.
const READ_QUESTIONS: u64 = 80_000;
/// A connection tells what it has read at the end of a transaction, at most once a second; one that is
/// idle then ten seconds later.
const FIGURES_WAIT: Duration = Duration::from_millis(1_500);

/// Rows read by scans of tables and entries by scans of indexes so far, of the tables of ours that grow.
struct Read(BTreeMap<String, u64>);

impl Read {
    async fn so_far(database: &Database, webhooks: &Webhooks) -> Self {
        tokio::time::sleep(FIGURES_WAIT).await;
        // One more transaction of the connection that answers, and of the one that writes: without it what
        // they read last would count for what comes next, or for nothing.
        webhooks.event("acme", "none").await.unwrap();
        webhooks.check_outbox().await.unwrap();
        let figures = database
            .query(
                "select relname || '=' || coalesce(seq_tup_read, 0) from pg_stat_user_tables
                 where schemaname = 'hooks' and relname ~ '^(delivery|lane|event|attempt|ending|outbox|arrival)'
                 union all
                 select indexrelname || '=' || idx_tup_read from pg_stat_user_indexes
                 where schemaname = 'hooks' and relname ~ '^(delivery|lane|event|attempt|ending|outbox|arrival)'",
            )
            .unwrap();
        let figures = figures.lines().map(|line| {
            let (name, read) = line.split_once('=').unwrap();
            (name.to_owned(), read.parse().unwrap())
        });
        Self(figures.collect())
    }

    /// No more than `limit` since then.
    async fn stays_within(
        self,
        (database, webhooks): (&Database, &Webhooks),
        limit: u64,
        what: &str,
    ) {
        let now = Self::so_far(database, webhooks).await;
        let since: Vec<(String, u64)> = now
            .0
            .into_iter()
            .map(|(name, read)| {
                let before = self.0.get(&name).copied().unwrap_or_default();
                (name, read - before)
            })
            .filter(|(_, read)| *read > 0)
            .collect();
        let read: u64 = since.iter().map(|(_, read)| read).sum();
        assert!(
            read <= limit,
            "{what}: {read} rows and entries, at most {limit} wanted: {since:?}"
        );
    }
}

async fn send_and_deliver(webhooks: &Webhooks, receiver: &Receiver, round: &str) {
    let before = receiver.requests().len();
    let sends = (0..SENT).map(|n| {
        let event = Event::new("a", &n).id(format!("{round}{n}"));
        webhooks.send("acme", event)
    });
    for sent in futures_util::future::join_all(sends).await {
        sent.unwrap();
    }
    receiver
        .wait_for(before + usize::try_from(SENT).unwrap())
        .await;
    webhooks.drain().await;
}

async fn ask(webhooks: &Webhooks, id: &EndpointId, event: &str) {
    let endpoints = webhooks.endpoints("acme");
    webhooks.explain("acme", event, id).await.unwrap();
    for filter in [
        DeliveryFilter::Pending,
        DeliveryFilter::Ended,
        DeliveryFilter::Failed,
        DeliveryFilter::All,
    ] {
        endpoints.deliveries(id, filter, None, 20).await.unwrap();
    }
}

/// Fills the tables with what is owed to a paused endpoint of another customer, and its history.
fn fill(database: &Database) {
    let statement = format!(
        "with p as (select key from hooks.endpoint where customer = 'other'),
              day as (select (extract(epoch from now()) / 86400)::int4 as day,
                             (extract(epoch from now()) * 1000)::int8 as ms),
              e as (insert into hooks.event select 1000000000000 + n, day, 'filled' || n, 'other', 'a', '{{}}', ms, null
                    from day, generate_series(1, {LARGE}) n),
              a as (insert into hooks.attempt select 1000000000000 + n, p.key, 1, day, ms, 1000, 500, 'status', '500', '', ''
                    from p, day, generate_series(1, {LARGE}) n),
              x as (insert into hooks.ending select 2000000000000 + n, p.key, day, 'canceled', ms
                    from p, day, generate_series(1, {LARGE}) n)
         insert into hooks.delivery select 1000000000000 + n, p.key, null, ms, ms, 1, day, 1, 0, true
         from p, day, generate_series(1, {LARGE}) n"
    );
    database.query(&statement).unwrap();
}

#[tokio::test]
async fn no_more_is_read_beside_large_tables_than_beside_empty_ones() {
    let database = Database::create().unwrap();
    // Time stands still, so that the gauges, which read all that is pending now and then, look at the start alone.
    let clock = Arc::new(ManualClock::starting_at(SystemTime::now()));
    let webhooks = open_with(&database, |builder| builder.clock(clock)).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    let id = endpoints.add(receiver.url()).await.unwrap().id;
    let ordered = endpoints
        .add(
            NewEndpoint::new(receiver.url())
                .ordered(true)
                .event_types(["b"]),
        )
        .await
        .unwrap();
    let other = webhooks.endpoints("other");
    let paused = other.add(receiver.url()).await.unwrap().id;
    other.pause(&paused).await.unwrap();
    for round in ROUNDS {
        let name = round;
        match round {
            // Plans are made anew after this, for tables that are said to have no row at all.
            "emptied" => {
                for table in ["delivery", "lane", "event", "attempt", "ending"] {
                    let statement = format!("vacuum hooks.{table}");
                    database.query(&statement).unwrap();
                }
            }
            // All events are of one customer, and are known to be.
            "analyzed" => {
                database.query("analyze").unwrap();
            }
            "large" => fill(&database),
            // Plans are made anew, while the statistics are still those of one customer alone.
            "outgrown" => {
                database
                    .query("alter table hooks.event alter column body set storage extended")
                    .unwrap();
            }
            _ => {}
        }
        let read = Read::so_far(&database, &webhooks).await;
        send_and_deliver(&webhooks, &receiver, name).await;
        read.stays_within(
            (&database, &webhooks),
            READ_A_DELIVERY * SENT,
            &format!("{round}, deliveries"),
        )
        .await;
        let read = Read::so_far(&database, &webhooks).await;
        ask(&webhooks, &id, &format!("{name}1")).await;
        ask(&webhooks, &ordered.id, &format!("{name}1")).await;
        endpoints.resend(&id, &format!("{name}2")).await.unwrap();
        read.stays_within(
            (&database, &webhooks),
            READ_QUESTIONS,
            &format!("{round}, questions"),
        )
        .await;
    }
    let in_rounds = ROUNDS.len() as u64 * SENT;
    // What the paused endpoint is owed is due when it is resumed: its head, not all of it at once.
    let read = Read::so_far(&database, &webhooks).await;
    other.resume(&paused).await.unwrap();
    receiver
        .wait_for(usize::try_from(in_rounds).unwrap() + 2_000)
        .await;
    other.pause(&paused).await.unwrap();
    let sent = u64::try_from(receiver.requests().len()).unwrap() - in_rounds;
    read.stays_within(
        (&database, &webhooks),
        READ_A_DELIVERY * (sent + 2_000),
        "deliveries of a lane",
    )
    .await;
}
