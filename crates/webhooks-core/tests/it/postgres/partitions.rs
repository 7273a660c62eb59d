//! Partitions by day, made and taken away while apps' transactions are open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use scratch_postgres::Database;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{
    Builder, Event, Webhooks,
    testing::{ManualClock, Receiver},
};

use super::open_with;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// The tables that have partitions.
const PARTITIONED: [&str; 3] = ["event", "attempt", "ending"];

/// An engine whose clock stands at noon.
struct Noon {
    database: Database,
    webhooks: Webhooks,
    clock: Arc<ManualClock>,
    receiver: Receiver,
    /// The day, as partitions are named.
    today: u32,
}

impl Noon {
    async fn new(change: impl FnOnce(Builder) -> Builder) -> Self {
        let database = Database::create().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let today = u32::try_from(now.as_secs() / DAY.as_secs()).unwrap();
        let clock = Arc::new(ManualClock::starting_at(UNIX_EPOCH + today * DAY + DAY / 2));
        let with_clock = |builder: Builder| change(builder.clock(Arc::clone(&clock) as Arc<_>));
        let webhooks = open_with(&database, with_clock).await;
        let receiver = Receiver::start().await.unwrap();
        webhooks
            .endpoints("acme")
            .add(receiver.url())
            .await
            .unwrap();
        Self {
            database,
            webhooks,
            clock,
            receiver,
            today,
        }
    }

    async fn app(&self) -> PgConnection {
        PgConnection::connect(self.database.url()).await.unwrap()
    }

    /// Sends an event, which arrives.
    async fn deliver(&self, id: &str) {
        self.webhooks.send("acme", event(id)).await.unwrap();
        let mut arrived = 0;
        while !self
            .receiver
            .event_ids()
            .iter()
            .any(|arrived| arrived == id)
        {
            arrived += 1;
            self.receiver.wait_for(arrived).await;
        }
    }

    fn has(&self, table: &str, day: u32) -> bool {
        let has = format!("select to_regclass('hooks.{table}_d{day}') is not null");
        self.database.query(&has).unwrap() == "t"
    }
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

/// The first batch of a day makes the partitions of the eighth day from then on.
#[tokio::test]
async fn a_send_after_midnight_does_not_wait_for_transactions_that_are_open_since_before() {
    let noon = Noon::new(|builder| builder).await;
    noon.deliver("before").await;
    let (mut reads, mut sends) = (noon.app().await, noon.app().await);
    let mut reads = reads.begin().await.unwrap();
    let read = "select from hooks.event; select from hooks.attempt; select from hooks.ending";
    reads.execute(read).await.unwrap();
    let mut sends = sends.begin().await.unwrap();
    let open = noon.webhooks.send_in(&mut sends, "acme", event("open"));
    open.await.unwrap();
    noon.clock.advance(DAY);
    noon.deliver("after").await;
    for table in PARTITIONED {
        assert!(noon.has(table, noon.today + 8), "{table}");
    }
    let clock = Arc::clone(&noon.clock);
    let other = open_with(&noon.database, |builder| builder.clock(clock)).await;
    other.send("acme", event("elsewhere")).await.unwrap();
    noon.receiver.wait_for(3).await;
    sends.commit().await.unwrap();
    reads.commit().await.unwrap();
    noon.receiver.wait_for(4).await;
}

/// Whoever vacuums or changes the table keeps others from attaching to it.
#[tokio::test]
async fn a_day_ahead_that_cannot_be_made_yet_holds_up_no_send() {
    let noon = Noon::new(|builder| builder).await;
    noon.deliver("before").await;
    let mut app = noon.app().await;
    let mut tx = app.begin().await.unwrap();
    let lock = "lock table hooks.attempt in share update exclusive mode";
    tx.execute(lock).await.unwrap();
    noon.clock.advance(DAY);
    noon.deliver("after").await;
    let made = |day: u32| PARTITIONED.map(|table| noon.has(table, day));
    assert_eq!(made(noon.today + 7), [true; 3]);
    assert_eq!(made(noon.today + 8), [false; 3]);
    tx.rollback().await.unwrap();
    noon.clock.advance(Duration::from_secs(61));
    noon.deliver("later").await;
    assert_eq!(made(noon.today + 8), [true; 3]);
}

/// Who sends while old days are looked through.
const SENDERS: usize = 8;

/// The app's transaction has read all events; those days are kept no longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_cannot_be_taken_away_yet_holds_up_no_send_and_goes_later() {
    let noon = Noon::new(|builder| builder.keep(4 * DAY, 4 * DAY)).await;
    noon.deliver("old").await;
    noon.webhooks.drain().await;
    let mut app = noon.app().await;
    let mut tx = app.begin().await.unwrap();
    tx.execute("select from hooks.event").await.unwrap();
    noon.clock.advance(6 * DAY);
    let passed = Arc::new(AtomicBool::new(false));
    let senders = (0..SENDERS).map(|_| {
        let (webhooks, passed) = (noon.webhooks.clone(), Arc::clone(&passed));
        tokio::spawn(async move {
            while !passed.load(Ordering::Relaxed) {
                // Nobody is owed it, so that nothing but the old days is waited for below.
                let event = Event::new("a", &1);
                webhooks.send("nobody", event).await.unwrap();
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    noon.webhooks.drain().await;
    passed.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    noon.deliver("new").await;
    let has = || PARTITIONED.map(|table| noon.has(table, noon.today));
    assert_eq!(has(), [true, false, true], "what nobody uses is gone");
    tx.rollback().await.unwrap();
    noon.clock.advance(Duration::from_secs(61));
    noon.webhooks.drain().await;
    assert_eq!(has(), [false; 3]);
}

/// Its day was looked through up to an event behind it.
#[tokio::test]
async fn an_event_that_is_sent_again_while_its_day_waits_to_be_taken_away_is_kept() {
    let noon = Noon::new(|builder| builder.keep(4 * DAY, 4 * DAY)).await;
    noon.deliver("again").await;
    let endpoints = noon.webhooks.endpoints("acme");
    let paused = endpoints.add(noon.receiver.url()).await.unwrap().id;
    endpoints.pause(&paused).await.unwrap();
    noon.deliver("owed").await;
    noon.webhooks.drain().await;
    let mut app = noon.app().await;
    let mut tx = app.begin().await.unwrap();
    let read = format!("select from hooks.event_d{}", noon.today);
    tx.execute(sqlx::AssertSqlSafe(read)).await.unwrap();
    noon.clock.advance(6 * DAY);
    noon.deliver("after").await;
    noon.webhooks.drain().await;
    let day_of_first = "select event_day from hooks.delivery order by event_seq limit 1";
    let day = noon.database.query(day_of_first).unwrap();
    assert_eq!(day, (noon.today + 6).to_string(), "what is owed is kept");
    assert!(noon.has("event", noon.today));
    endpoints.resend(&paused, "again").await.unwrap();
    tx.rollback().await.unwrap();
    noon.clock.advance(Duration::from_secs(61));
    noon.webhooks.drain().await;
    assert!(!noon.has("event", noon.today));
    endpoints.resume(&paused).await.unwrap();
    noon.receiver.wait_for(6).await;
    let mut arrived = noon.receiver.event_ids();
    arrived.sort_unstable();
    let expected = ["after", "after", "again", "again", "owed", "owed"];
    assert_eq!(arrived, expected);
}

/// What Postgres knows of a table, whatever that is called.
const DESCRIBED: &str = "
    select 'table', c.relkind::text, c.relpersistence::text, c.relreplident::text, c.reltoastrelid > 0,
           c.reloptions::text, (select relname::text from pg_class where oid = i.inhparent)
    from pg_class c join pg_inherits i on i.inhrelid = c.oid where c.oid = 'NAME'::regclass
    union all
    select a.attname::text, format_type(a.atttypid, a.atttypmod), a.attstorage::text, a.attcompression::text,
           a.attnotnull, a.attinhcount::text, a.attislocal::text
    from pg_attribute a where a.attrelid = 'NAME'::regclass and a.attnum > 0
    union all
    select replace(c.relname, 'TABLE', ''), replace(pg_get_indexdef(x.indexrelid), 'TABLE', ''),
           x.indisprimary::text, x.indisreplident::text, x.indisvalid, c.reloptions::text,
           (select relname::text from pg_class where oid = i.inhparent)
    from pg_index x join pg_class c on c.oid = x.indexrelid join pg_inherits i on i.inhrelid = c.oid
    where x.indrelid = 'NAME'::regclass
    union all
    select 'constraint', o.contype::text, pg_get_constraintdef(o.oid), o.conislocal::text, o.convalidated,
           o.coninhcount::text, (select conname::text from pg_constraint where oid = o.conparentid)
    from pg_constraint o where o.conrelid = 'NAME'::regclass
    order by 1, 2, 3";

#[tokio::test]
async fn a_partition_that_was_attached_is_like_one_that_was_made_in_place() {
    let noon = Noon::new(|builder| builder).await;
    let describe = |table: &str| {
        let described = DESCRIBED.replace("NAME", &format!("hooks.{table}"));
        noon.database
            .query(&described.replace("TABLE", table))
            .unwrap()
    };
    for table in PARTITIONED {
        let in_place = format!(
            "create table hooks.{table}_in_place partition of hooks.{table} for values from (1) to (2)"
        );
        noon.database.query(&in_place).unwrap();
        let attached = describe(&format!("{table}_d{}", noon.today));
        assert_eq!(attached, describe(&format!("{table}_in_place")));
        assert!(attached.contains("PRIMARY KEY"), "{attached}");
    }
}
