//! The outbox table, filled by other programs: plain SQL by psql, and a trigger of the app's.

use std::{collections::BTreeSet, time::Duration};

use scratch_postgres::Database;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use webhooks_core::{
    Event, NewEndpoint, Webhooks,
    testing::{ReceivedRequest, Receiver},
};

use super::{PATIENCE, open};

/// The app's own table, and a trigger that has each of its rows told.
const ORDERS: &str = "
    create table orders (number int primary key, item text not null);
    create function order_placed() returns trigger language plpgsql as $$ begin
        insert into hooks.outbox (customer, type, data, event_id)
        values ('acme', 'order:placed', json_build_object('number', new.number, 'item', new.item), 'order-' || new.number);
        return new;
    end $$;
    create trigger order_placed after insert on orders for each row execute function order_placed()";

#[tokio::test]
async fn what_another_program_inserts_is_delivered_and_so_is_what_a_trigger_does() {
    let database = Database::create().unwrap();
    let webhooks = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    webhooks
        .endpoints("acme")
        .add(receiver.url())
        .await
        .unwrap();
    let insert = |number: u8, item: &str| {
        let data = json!({"number": number, "item": item});
        let insert = format!(
            "insert into hooks.outbox (customer, type, data, event_id)
             values ('acme', 'order:placed', '{data}', 'order-{number}')"
        );
        database.query(&insert).unwrap();
    };
    insert(1, "a book");
    let first = receiver.wait_for(1).await.remove(0);
    assert_eq!(first.header("webhook-id"), "order-1");
    assert_eq!(
        first.json(),
        json!({"id": "order-1", "event": "order:placed", "data": {"number": 1, "item": "a book"}})
    );

    database.query(ORDERS).unwrap();
    let both = "begin; insert into orders values (2, 'kept'), (3, 'kept'); commit;
                begin; insert into orders values (4, 'not kept'); rollback";
    database.query(both).unwrap();
    // The same again: it is one event.
    insert(2, "kept");
    let mut requests: Vec<ReceivedRequest> = receiver.wait_for(3).await;
    webhooks.check_outbox().await.unwrap();
    webhooks.drain().await;
    requests.sort_by_key(|request| request.header("webhook-id").to_owned());
    let items: Vec<_> = requests
        .iter()
        .map(|request| request.json()["data"]["item"].clone())
        .collect();
    assert_eq!(items, ["a book", "kept", "kept"]);
    assert_eq!(receiver.requests().len(), 3);
    assert_eq!(
        database
            .query("select count(*) from hooks.outbox")
            .unwrap()
            .trim(),
        "0"
    );
}

fn insert(database: &Database, id: &str) {
    let insert = format!(
        "insert into hooks.outbox (customer, type, data, event_id) values ('acme', 'a', '1', '{id}')"
    );
    database.query(&insert).unwrap();
}

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

async fn add_ordered(webhooks: &Webhooks, receiver: &Receiver) {
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
}

/// Rounds of two rows each.
const ROUNDS: usize = 20;
/// How long a node is given to take what it can.
const TAKES: Duration = Duration::from_millis(200);
/// Who has rows in hand, and waits for lanes.
const HAS_ROWS: &str = "
    select count(*) from pg_locks o join pg_locks l using (pid)
    where o.relation = 'hooks.outbox'::regclass and o.mode = 'RowShareLock'
          and l.relation = 'hooks.lane'::regclass and not l.granted";

/// One node has a row in hand when another row is committed, and has not come to the lane yet.
#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_their_order_though_several_nodes_take_them_at_once() {
    let database = Database::create().unwrap();
    let nodes = [open(&database).await, open(&database).await];
    let receiver = Receiver::start().await.unwrap();
    add_ordered(&nodes[0], &receiver).await;
    // Both know the customer.
    let mut wanted = vec!["first".to_owned(), "second".to_owned()];
    for (node, id) in nodes.iter().zip(&wanted) {
        node.send("acme", event(id)).await.unwrap();
    }
    receiver.wait_for(2).await;
    let mut blocker = PgConnection::connect(database.url()).await.unwrap();
    for round in 0..ROUNDS {
        let mut tx = blocker.begin().await.unwrap();
        tx.execute("lock table hooks.lane in access exclusive mode")
            .await
            .unwrap();
        let ids = ["early", "late"].map(|name| format!("{round}-{name}"));
        let mut taking = Vec::new();
        for (node, id) in nodes.iter().zip(&ids) {
            insert(&database, id);
            let node = node.clone();
            taking.push(tokio::spawn(async move { node.check_outbox().await }));
            let has_rows = async {
                while database.query(HAS_ROWS).unwrap() != taking.len().to_string() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            // It may have met the lane with something else.
            let _ = tokio::time::timeout(TAKES, has_rows).await;
        }
        tx.rollback().await.unwrap();
        for taken in taking {
            // What it could not take in time is taken later.
            let _ = taken.await.unwrap();
        }
        wanted.extend(ids);
        receiver.wait_for(wanted.len()).await;
    }
    assert_eq!(receiver.event_ids(), wanted);
}

/// How often one node must have had a row in hand while the other was sent an event.
const MET: usize = 4;
/// Customers with such a row: of each the other node may come first.
const CUSTOMERS_MAX: usize = 64;
/// How long the other node could go on meanwhile.
const GOES_ON: Duration = Duration::from_millis(400);
/// Who takes rows of a customer that it does not know yet.
const TAKES_ROWS: &str = "
    select count(*) from pg_locks o join pg_locks e using (pid)
    where o.relation = 'hooks.outbox'::regclass and o.mode = 'RowShareLock'
          and e.relation = 'hooks.endpoint'::regclass and not e.granted";

/// One node has the row in hand and has not come to its lane yet; the other is asked whether there is any.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_once_the_table_was_checked_arrives_after_its_rows() {
    let database = Database::create().unwrap();
    let [takes, checks] = [open(&database).await, open(&database).await];
    let receiver = Receiver::start().await.unwrap();
    let mut blocker = PgConnection::connect(database.url()).await.unwrap();
    let (mut wanted, mut met) = (Vec::new(), 0);
    for customer in 0_usize.. {
        if met == MET {
            break;
        }
        assert!(
            customer < CUSTOMERS_MAX,
            "met {met} times, {MET} are wanted"
        );
        let names = ["known", "row", "sent"];
        let [known, row, sent] = names.map(|name| format!("{customer}-{name}"));
        let customer = format!("customer{customer}");
        let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
        checks.endpoints(&customer).add(endpoint).await.unwrap();
        // This node knows the customer from now on.
        checks.send(&customer, event(&known)).await.unwrap();
        receiver.wait_for(wanted.len() + 1).await;
        let mut tx = blocker.begin().await.unwrap();
        tx.execute("lock table hooks.endpoint in access exclusive mode")
            .await
            .unwrap();
        let insert = format!(
            "insert into hooks.outbox (customer, type, data, event_id)
             values ('{customer}', 'a', '1', '{row}')"
        );
        database.query(&insert).unwrap();
        let taking = takes.clone();
        let taken = tokio::spawn(async move { taking.check_outbox().await });
        let has_row = async {
            while database.query(TAKES_ROWS).unwrap() != "1" {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // The other may have come first.
        let has_row = tokio::time::timeout(TAKES, has_row).await;
        met += usize::from(has_row.is_ok());
        let checking = checks.clone();
        let (to, id) = (customer.clone(), sent.clone());
        let checked = tokio::spawn(async move {
            checking.check_outbox().await.unwrap();
            checking.send(&to, event(&id)).await.unwrap();
        });
        tokio::time::sleep(GOES_ON).await;
        tx.rollback().await.unwrap();
        checked.await.unwrap();
        // What it could not take in time is taken by the other.
        let _ = taken.await.unwrap();
        wanted.extend([known, row, sent]);
        receiver.wait_for(wanted.len()).await;
    }
    assert_eq!(receiver.event_ids(), wanted);
}

/// Rows of a long backlog: 32 transactions.
const BACKLOG: usize = 8_192;
/// How long each transaction takes that stores events, in seconds. A node beats once a second.
const STORES_IN: f32 = 0.1;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_that_it_lives_while_it_takes_a_long_backlog() {
    let database = Database::create().unwrap();
    let _webhooks = open(&database).await;
    let slow = [
        format!(
            "create function hooks.take_time() returns trigger language plpgsql as $$
             begin perform pg_sleep({STORES_IN}); return null; end $$"
        ),
        "create trigger take_time before insert on hooks.event
         for each statement execute function hooks.take_time()"
            .to_owned(),
        format!(
            "insert into hooks.outbox (customer, type, data)
             select 'acme', 'a', '1' from generate_series(1, {BACKLOG})"
        ),
    ];
    for statement in slow {
        database.query(&statement).unwrap();
    }
    let look = "select count(*), (select seen_at from hooks.node) from hooks.outbox";
    let mut beats = BTreeSet::new();
    let taken = tokio::time::timeout(PATIENCE, async {
        loop {
            let looked = database.query(look).unwrap();
            let (left, beat) = looked.split_once('|').unwrap();
            match left.parse::<usize>().unwrap() {
                0 => break,
                BACKLOG => {}
                _ => drop(beats.insert(beat.to_owned())),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    taken.await.unwrap();
    assert!(beats.len() > 2, "{beats:?}");
}
