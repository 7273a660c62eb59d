//! What commits late in a lane of which loads begin at a floor: nothing overtakes it that was sent once it was
//! committed, whoever stored it, and however long that took.
//!
//! Floors hold because whoever draws a number has its transaction's own before, and because they wait for the
//! oldest transaction under way. Functions of the test's own stand before the server's on the search path of
//! some sessions: one that takes its time once it has drawn a number, and two that take a rule away.

use std::time::Duration;

use scratch_postgres::Database;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use webhooks_core::{Event, NewEndpoint, Webhooks, testing::Receiver};

use super::{address, until};

/// Rows of the lane that came and went: with them a load takes long enough for a floor.
const LANE_ROWS: u64 = 200_000;
/// A floor moves with every second load that is as far behind the one before.
const LOAD_WAIT: Duration = Duration::from_millis(1_100);
/// Loads while somebody is late.
const LOADS: usize = 4;

/// How often a rule that does not hold may seem to.
const TRIES: usize = 5;
/// How often one that holds is tried, a few seconds each.
const TRIES_THAT_HOLD: usize = 2;

/// Who draws the number of a batch takes as long as somebody says.
const SLOW: &str = "slow";
/// A transaction's own number is drawn with its first row, and not before a batch's.
const UNNUMBERED: &str = "unnumbered";
/// A transaction sees all as over that are below the last which is.
const HASTY: &str = "hasty";
const FUNCTIONS: [&str; 5] = [
    "create schema slow; create schema unnumbered; create schema hasty",
    "create table slow.down (is_so bool)",
    "create function slow.nextval(of regclass) returns int8 language plpgsql as $$
     declare number int8 := pg_catalog.nextval(of);
     begin
         while of::text = 'hooks.event_batch' and exists (select from slow.down) loop
             perform pg_sleep(0.02);
         end loop;
         return number;
     end $$",
    "create function unnumbered.pg_current_xact_id() returns xid8 language sql as $$ select '1'::xid8 $$",
    "create function hasty.pg_snapshot_xmin(of pg_snapshot) returns xid8 language sql as $$
     select pg_catalog.pg_snapshot_xmax(of) $$",
];

/// Sessions that wait with a number in hand, and what they ask.
const LATE: &str = "select query from pg_stat_activity
                    where wait_event = 'PgSleep' and datname = current_database()";

/// What is found first, for sessions.
fn path(schemas: &[&str]) -> String {
    let schemas: String = schemas.iter().map(|schema| format!("{schema},")).collect();
    format!("{schemas}pg_catalog")
}

async fn open(database: &Database, schemas: &[&str]) -> Webhooks {
    let path = path(schemas).replace(',', "%2C");
    let address = format!("{}&options=-csearch_path%3D{path}", address(database));
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    builder.open(&address).await.unwrap()
}

fn event(data: &str) -> Event {
    Event::new("a", &data)
}

/// An ordered endpoint, whose lane takes long to load.
struct Ground {
    database: Database,
    owner: Webhooks,
    receiver: Receiver,
    /// With a snapshot that keeps what was deleted.
    _held: PgConnection,
    sent: usize,
}

impl Ground {
    /// Schemas that stand first for whoever owns the lane.
    async fn new(schemas: &[&str]) -> Self {
        let database = Database::create().unwrap();
        for statement in FUNCTIONS {
            database.query(statement).unwrap();
        }
        let owner = open(&database, schemas).await;
        let receiver = Receiver::start().await.unwrap();
        let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
        owner.endpoints("acme").add(endpoint).await.unwrap();
        let mut held = PgConnection::connect(database.url()).await.unwrap();
        let hold = "begin isolation level repeatable read; select 1";
        held.execute(hold).await.unwrap();
        let dead = format!(
            "begin;
             insert into hooks.delivery select -n, k.key, null, 0, 0, 1, 0, 1, 0, true
             from hooks.endpoint k, generate_series(1, {LANE_ROWS}) n;
             delete from hooks.delivery where event_seq < 0;
             commit"
        );
        database.query(&dead).unwrap();
        Self {
            database,
            owner,
            receiver,
            _held: held,
            sent: 0,
        }
    }

    /// Has the owner load its lane, often enough for a floor.
    async fn load(&mut self) {
        for _ in 0..LOADS {
            self.deliver().await;
            tokio::time::sleep(LOAD_WAIT).await;
        }
        // When all of it is loaded once more: that is not at once again.
        self.deliver().await;
    }

    async fn deliver(&mut self) {
        self.owner.send("acme", event("other")).await.unwrap();
        self.sent += 1;
        self.receiver.wait_for(self.sent).await;
    }

    /// Who draws a number from now on waits with it in hand.
    fn slow_down(&self) {
        let slow = "insert into slow.down values (true)";
        self.database.query(slow).unwrap();
    }

    /// Somebody does, in a statement with `what`.
    async fn is_late(&self, what: &str) {
        until("a number is drawn", async || {
            self.database.query(LATE).unwrap().contains(what)
        })
        .await;
    }

    fn go_on(&self) {
        self.database.query("delete from slow.down").unwrap();
    }

    /// Which of the two arrived first: what was late, or what was sent once that was committed.
    async fn first_of_both(&mut self) -> String {
        let before = self.sent;
        self.sent += 2;
        let arrived = self.receiver.wait_for(before + 1).await;
        let first = arrived[before].json()["data"].clone();
        let first = first.as_str().unwrap().to_owned();
        // What was overtaken arrives after the next look at the whole lane, which can be a minute away where loads
        // are slow.
        if first != "after" {
            self.receiver.wait_for(self.sent).await;
        }
        first
    }

    /// What an app's transaction stores that is open for long.
    async fn first_beside_send_in(&mut self) -> String {
        let mut app = PgConnection::connect(self.database.url()).await.unwrap();
        let set = format!("set search_path = {}", path(&[SLOW]));
        app.execute(AssertSqlSafe(set)).await.unwrap();
        self.slow_down();
        let engine = self.owner.clone();
        let stored = tokio::spawn(async move {
            let mut tx = app.begin().await.unwrap();
            engine
                .send_in(&mut tx, "acme", event("late"))
                .await
                .unwrap();
            tx.commit().await.unwrap();
            engine.send("acme", event("after")).await.unwrap();
        });
        self.is_late("nextval").await;
        self.load().await;
        self.go_on();
        stored.await.unwrap();
        self.first_of_both().await
    }

    /// Another node, where these stand first for its sessions. It knows the customer.
    async fn other(&mut self, schemas: &[&str]) -> Webhooks {
        let other = open(&self.database, schemas).await;
        for _ in 0..2 {
            other.send("acme", event("other")).await.unwrap();
            self.sent += 1;
        }
        self.receiver.wait_for(self.sent).await;
        other
    }

    /// What another node stores.
    async fn first_beside_send(&mut self, other: &Webhooks, late: Event, what: &str) -> String {
        self.slow_down();
        let (owner, other) = (self.owner.clone(), other.clone());
        let stored = tokio::spawn(async move {
            other.send("acme", late).await.unwrap();
            owner.send("acme", event("after")).await.unwrap();
        });
        self.is_late(what).await;
        self.load().await;
        self.go_on();
        stored.await.unwrap();
        self.first_of_both().await
    }

    /// Whether what another node sends is overtaken, in as many tries as it takes: now and then all of the lane
    /// is looked at, and what was late is found in time whatever the rules are.
    async fn overtakes(
        mut self,
        schemas: &[&str],
        (late, what): (fn() -> Event, &str),
        tries: usize,
    ) -> bool {
        let other = self.other(schemas).await;
        for _ in 0..tries {
            if self.first_beside_send(&other, late(), what).await == "after" {
                return true;
            }
        }
        false
    }

    /// Whether what an app's transaction stores is.
    async fn overtakes_app(mut self) -> bool {
        for _ in 0..TRIES_THAT_HOLD {
            if self.first_beside_send_in().await == "after" {
                return true;
            }
        }
        false
    }
}

/// What is a batch by itself, of one statement, and what begins with a statement of its own: that with an id
/// that was chosen. With a part of the statement that draws its number.
const SHORT: (fn() -> Event, &str) = (late, "with me as");
const LONG: (fn() -> Event, &str) = (late_with_id, "webhooks_head");

fn late() -> Event {
    event("late")
}

fn late_with_id() -> Event {
    late().id(rand::random::<u64>().to_string())
}

#[tokio::test]
async fn a_send_of_another_node_that_commits_late_is_not_overtaken() {
    let ground = Ground::new(&[]).await;
    assert!(!ground.overtakes(&[SLOW], SHORT, TRIES_THAT_HOLD).await);
}

#[tokio::test]
async fn a_longer_batch_of_another_node_that_commits_late_is_not_overtaken() {
    let ground = Ground::new(&[]).await;
    assert!(!ground.overtakes(&[SLOW], LONG, TRIES_THAT_HOLD).await);
}

#[tokio::test]
async fn an_event_of_an_apps_transaction_that_commits_late_is_not_overtaken() {
    assert!(!Ground::new(&[]).await.overtakes_app().await);
}

#[tokio::test]
async fn without_its_own_number_first_a_late_transaction_is_overtaken() {
    let ground = Ground::new(&[]).await;
    let schemas = [UNNUMBERED, SLOW];
    assert!(ground.overtakes(&schemas, SHORT, TRIES).await);
}

#[tokio::test]
async fn by_the_last_transaction_that_is_over_a_late_one_is_overtaken() {
    let ground = Ground::new(&[HASTY]).await;
    assert!(ground.overtakes(&[SLOW], SHORT, TRIES).await);
}
