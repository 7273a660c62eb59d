//! An engine whose tables are made large, and what is read of them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use scratch_postgres::Database;
use webhooks_core::{
    Builder, EndpointId, NewEndpoint, Webhooks,
    testing::{ManualClock, Receiver},
};

use super::super::open_with;

/// Rows of each large table.
pub(super) const LARGE: u64 = 100_000;
/// A day that is over, as partitions are named, and its events.
const OLD_DAY: u32 = 19_000;
pub(super) const OLD_ROWS: u64 = 10_000;
/// Some months.
const LATER_MS: u64 = 10_000_000_000;
/// Where the due loop, maintenance and beats look, and who asks which endpoints a customer has; and deliveries
/// by their key.
const ALWAYS: [&str; 12] = [
    "arrival_at",
    "delivery_due",
    "delivery_pkey",
    "endpoint_customer",
    "endpoint_id_key",
    "endpoint_pkey",
    "endpoint_secret_pkey",
    "endpoint_version",
    "lane_due_healthy",
    "lane_due_trouble",
    "lane_pkey",
    "outbox_waiting",
];
/// A connection tells what it has read at the end of a transaction, at most once a second; one that is
/// idle then ten seconds later.
const FIGURES_WAIT: Duration = Duration::from_millis(1_200);

/// A plan that is right for what autovacuum has just seen is not the one that a round is about.
const NO_AUTOVACUUM: &str = "do $$
declare t regclass;
begin
    for t in select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname = 'hooks' and c.relkind = 'r' loop
        execute format('alter table %s set (autovacuum_enabled = off)', t);
    end loop;
end $$";

/// What the tables are like, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    Empty,
    /// Plans are made anew, for tables that are said to have no row at all.
    Emptied,
    /// All events are of one customer, and are known to be.
    Analyzed,
    Large,
    /// Plans are made anew, while the statistics are still those of one customer alone.
    Outgrown,
    /// What autovacuum has done sooner or later: the statistics are those of the large tables.
    Known,
}

impl Round {
    pub(super) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Emptied,
        Self::Analyzed,
        Self::Large,
        Self::Outgrown,
        Self::Known,
    ];
    /// Those that differ in how much there is, and in what is known of it.
    pub(super) const OF_SIZES: [Self; 4] = [Self::Empty, Self::Large, Self::Outgrown, Self::Known];

    pub(super) fn is_large(self) -> bool {
        matches!(self, Self::Large | Self::Outgrown | Self::Known)
    }
}

/// Rows read by scans of tables and entries by scans of indexes so far, of the tables of ours that grow.
struct Read(BTreeMap<String, u64>);

/// An engine, and what it delivers to.
pub(super) struct Ground {
    pub(super) database: Database,
    pub(super) clock: Arc<ManualClock>,
    pub(super) webhooks: Webhooks,
    pub(super) receiver: Receiver,
    /// Of "acme": one for events of type "a", and an ordered one for those of type "b".
    pub(super) usual: EndpointId,
    pub(super) ordered: EndpointId,
    /// The only one of "other", which is paused: it is owed what makes the tables large.
    pub(super) paused: EndpointId,
    /// What was read up to the end of what was measured last.
    last: Mutex<Option<Read>>,
}

impl Ground {
    pub(super) async fn new(change: impl FnOnce(Builder) -> Builder) -> Self {
        let database = Database::create().unwrap();
        // Time stands still, so that the gauges, which read all that is pending now and then, look at the start alone.
        let clock = Arc::new(ManualClock::starting_at(SystemTime::now()));
        let of_webhooks = Arc::clone(&clock);
        let webhooks = open_with(&database, |builder| change(builder).clock(of_webhooks)).await;
        let receiver = Receiver::start().await.unwrap();
        let endpoints = webhooks.endpoints("acme");
        let usual = NewEndpoint::new(receiver.url()).event_types(["a"]);
        let usual = endpoints.add(usual).await.unwrap().id;
        let ordered = NewEndpoint::new(receiver.url())
            .ordered(true)
            .event_types(["b"]);
        let ordered = endpoints.add(ordered).await.unwrap().id;
        let other = webhooks.endpoints("other");
        let paused = other.add(receiver.url()).await.unwrap().id;
        other.pause(&paused).await.unwrap();
        // Statistics are those of the round, however long the tests take.
        database.query(NO_AUTOVACUUM).unwrap();
        Self {
            database,
            clock,
            webhooks,
            receiver,
            usual,
            ordered,
            paused,
            last: Mutex::default(),
        }
    }

    /// What was done since the last was measured is not to be counted.
    pub(super) fn pass_over(&self) {
        self.last.lock().take();
    }

    /// Makes the tables what they are in a round.
    pub(super) fn begin(&self, round: Round) {
        self.pass_over();
        let run = |statement: &str| {
            self.database.query(statement).unwrap();
        };
        match round {
            Round::Empty => {}
            Round::Emptied => {
                for table in [
                    "delivery",
                    "lane",
                    "event",
                    "event_key",
                    "attempt",
                    "ending",
                    "outbox",
                    "arrival",
                    "endpoint",
                ] {
                    run(&format!("vacuum hooks.{table}"));
                }
            }
            Round::Analyzed | Round::Known => run("analyze"),
            Round::Large => self.fill(),
            Round::Outgrown => {
                for change in ["event alter column body", "outbox alter column data"] {
                    run(&format!("alter table hooks.{change} set storage extended"));
                }
            }
        }
    }

    /// Fills the tables with what is owed to the paused endpoint, half of it in its lane and half of it to be tried
    /// much later, and its history; with lanes that another node
    /// has; with rows of the outbox table that were refused; with ids and endpoints of other customers.
    fn fill(&self) {
        let owed = format!(
            "with p as (select key from hooks.endpoint where customer = 'other'),
                  day as (select (extract(epoch from now()) / 86400)::int4 as day,
                                 (extract(epoch from now()) * 1000)::int8 as ms),
                  e as (insert into hooks.event select 1000000000000 + n, day, 'filled' || n, 'other', 'a', '{{}}', ms, null
                        from day, generate_series(1, {LARGE}) n),
                  a as (insert into hooks.attempt select 1000000000000 + n, p.key, 1, day, ms, 1000, 500, 'status', '500', '', ''
                        from p, day, generate_series(1, {LARGE}) n),
                  x as (insert into hooks.ending select 2000000000000 + n, p.key, day, 'canceled', ms
                        from p, day, generate_series(1, {LARGE}) n)
             insert into hooks.delivery
             select 1000000000000 + n, p.key, null, case when n % 2 = 0 then ms else ms + {LATER_MS} end, ms, 1, day, 1, 0, n % 2 = 0
             from p, day, generate_series(1, {LARGE}) n"
        );
        let lanes = format!(
            "insert into hooks.lane select 1000000 + n, null, 0, 0, true, 999 from generate_series(1, {LARGE}) n"
        );
        let refused = format!(
            "insert into hooks.outbox (customer, type, data, refused)
             select 'other', 'a', '1', 'refused' from generate_series(1, {LARGE}) n"
        );
        let ids = format!(
            "insert into hooks.event_key select 'other', 'filled' || n, 1000000000000 + n, 0 from generate_series(1, {LARGE}) n"
        );
        let endpoints = format!(
            "insert into hooks.endpoint (key, id, customer, url, event_types, ordered, settings, state, state_reason, created_at)
             overriding system value
             select 1000000 + n, 'filled' || n, 'filled' || n, 'http://127.0.0.1:1/', '[]', true, '{{}}', 'active', '', 0
             from generate_series(1, {LARGE}) n"
        );
        for statement in [owed, lanes, refused, ids, endpoints] {
            self.database.query(&statement).unwrap();
        }
    }

    /// Events of a day that is kept no longer, with their attempts and endings. Their numbers are below those of the
    /// engine's events.
    pub(super) fn make_old_day(&self) {
        for (table, rows) in [
            ("event", "-n, {day}, 'old' || n, 'other', 'a', '', 0, null"),
            (
                "attempt",
                "-n, 1, 1, {day}, 0, 1000, 500, 'status', '500', '', ''",
            ),
            ("ending", "-n, 1, {day}, 'canceled', 0"),
        ] {
            let rows = rows.replace("{day}", &OLD_DAY.to_string());
            let make = format!(
                "create table hooks.{table}_d{OLD_DAY} partition of hooks.{table} for values from ({OLD_DAY}) to ({OLD_DAY} + 1);
                 insert into hooks.{table} select {rows} from generate_series(1, {OLD_ROWS}) n"
            );
            self.database.query(&make).unwrap();
        }
    }

    /// All of its events are to be delivered to the paused endpoint, and were given ids by the app.
    pub(super) fn leave_old_day_pending(&self) {
        let owe = format!(
            "insert into hooks.event_key select 'other', 'old' || n, -n, {OLD_DAY} from generate_series(1, {OLD_ROWS}) n;
             insert into hooks.delivery
             select -n, p.key, null, 0, 0, 1, {OLD_DAY}, 1, 0, true
             from (select key from hooks.endpoint where customer = 'other') p, generate_series(1, {OLD_ROWS}) n"
        );
        self.database.query(&owe).unwrap();
    }

    /// Of how many of them it is known on the present day that they are to be delivered. Nothing of them is left.
    pub(super) fn end_moved(&self) -> u64 {
        let moved = format!(
            "select count(*) from hooks.delivery d
             join hooks.event e on e.seq = d.event_seq and e.day = d.event_day
             join hooks.event_key k on k.seq = e.seq and k.day = e.day and k.id = e.id
             where e.seq < 0 and e.day > {OLD_DAY}"
        );
        let moved = self.database.query(&moved).unwrap();
        let end = "delete from hooks.delivery where event_seq < 0;
                   delete from hooks.event where seq < 0;
                   delete from hooks.event_key where seq < 0";
        self.database.query(end).unwrap();
        self.pass_over();
        moved.parse().unwrap()
    }

    pub(super) fn has_old_day(&self) -> bool {
        let has = format!("select to_regclass('hooks.event_d{OLD_DAY}') is not null");
        self.database.query(&has).unwrap() == "t"
    }

    async fn read(&self) -> Read {
        tokio::time::sleep(FIGURES_WAIT).await;
        // One more transaction of the connection that answers, and of the one that writes: without it what
        // they read last would count for what comes next, or for nothing.
        self.webhooks.event("acme", "none").await.unwrap();
        self.webhooks.check_outbox().await.unwrap();
        let of_ours = "schemaname = 'hooks' and relname ~ '^(delivery|lane|event|attempt|ending|outbox|arrival|endpoint)'";
        let figures = format!(
            "select relname || '=' || coalesce(seq_tup_read, 0) from pg_stat_user_tables where {of_ours}
             union all
             select indexrelname || '=' || idx_tup_read from pg_stat_user_indexes where {of_ours}"
        );
        let figures = self.database.query(&figures).unwrap();
        let figures = figures.lines().map(|line| {
            let (name, read) = line.split_once('=').unwrap();
            (name.to_owned(), read.parse().unwrap())
        });
        Read(figures.collect())
    }

    /// For what is done no more than `limit` rows and entries are read, and those in nothing but these indexes and
    /// tables, and those that are read [`ALWAYS`].
    pub(super) async fn reads_within(
        &self,
        limit: u64,
        from: &[&str],
        (round, what): (Round, &str),
        done: impl AsyncFnOnce(),
    ) {
        let before = self.last.lock().take();
        let before = match before {
            Some(before) => before,
            None => self.read().await,
        };
        done().await;
        let now = self.read().await;
        let mut since = BTreeMap::<String, u64>::new();
        for (name, read) in &now.0 {
            let read = read - before.0.get(name).copied().unwrap_or_default();
            if read > 0 {
                *since.entry(without_day(name)).or_default() += read;
            }
        }
        let read: u64 = since.values().sum();
        assert!(
            read <= limit,
            "{round:?}, {what}: {read} rows and entries, at most {limit} wanted: {since:?}"
        );
        let others = since.keys().filter(|name| {
            let name = name.as_str();
            !from.contains(&name) && !ALWAYS.contains(&name)
        });
        let others: Vec<&String> = others.collect();
        assert_eq!(others, [""; 0], "{round:?}, {what}: {since:?}");
        *self.last.lock() = Some(now);
    }
}

/// The same for all partitions.
fn without_day(name: &str) -> String {
    let Some((table, rest)) = name.split_once("_d") else {
        return name.to_owned();
    };
    let index = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if index.len() == rest.len() {
        return name.to_owned();
    }
    format!("{table}{index}")
}
