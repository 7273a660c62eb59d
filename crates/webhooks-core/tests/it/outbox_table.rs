//! The outbox table in a file: rows that other connections commit become events, and how soon. What becomes
//! of them is tested on each store, in `store/outbox_table.rs`.
#![cfg(feature = "testing")]

use std::time::{Duration, Instant};

use rusqlite::Connection;
use webhooks_core::TransactionError;

use crate::world::{World, seconds};

/// An engine, and another program's connection to its file.
struct Beside {
    _folder: tempfile::TempDir,
    world: World,
    other: Connection,
}

impl Beside {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("w.db");
        let world = World::on_file(&file).await;
        world.endpoint(|endpoint| endpoint).await;
        let other = Connection::open(&file).unwrap();
        other.busy_timeout(seconds(30)).unwrap();
        Self {
            _folder: folder,
            world,
            other,
        }
    }

    fn put(&self, id: &str, data: &str) {
        put(&self.other, id, data);
    }

    fn waiting(&self) -> i64 {
        let count = "select count(*) from webhooks_outbox";
        self.other.query_row(count, [], |row| row.get(0)).unwrap()
    }
}

fn put(connection: &Connection, id: &str, data: &str) {
    let insert = "insert into webhooks_outbox (customer, type, data, event_id)
                  values ('acme', 'random_number:generate', ?1, ?2)";
    connection.execute(insert, [data, id]).unwrap();
}

#[tokio::test]
async fn a_row_that_another_connection_commits_is_delivered_without_a_hint() {
    let beside = Beside::new().await;
    beside.put("a", r#"{"number": 863}"#);
    let arrived = beside.world.receiver.wait_for(1).await;
    assert_eq!(
        arrived[0].body,
        r#"{"id":"a","event":"random_number:generate","data":{"number": 863}}"#
    );
    beside.world.webhooks.drain().await;
    assert_eq!(beside.waiting(), 0);
    assert_eq!(beside.world.webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_row_is_taken_within_a_tenth_of_a_second() {
    let beside = Beside::new().await;
    let mut medians = Vec::new();
    // The machine may be busy with other things: one quiet moment of several is enough, and a
    // look that came too seldom would be late in all of them.
    for round in 0..8 {
        let mut waits = Vec::new();
        for number in 0..11 {
            let begun = Instant::now();
            beside.put(&format!("e{round}-{number}"), "1");
            beside
                .world
                .receiver
                .wait_for(round * 11 + number + 1)
                .await;
            waits.push(begun.elapsed());
        }
        waits.sort();
        medians.push(waits[5]);
        if waits[5] < Duration::from_millis(100) {
            return;
        }
    }
    panic!("half of the rows took longer: {medians:?}");
}

#[tokio::test]
async fn a_row_without_an_id_gets_one_and_a_hint_takes_it_at_once() {
    let beside = Beside::new().await;
    let insert = "insert into webhooks_outbox (customer, type, data) values ('acme', 'a', '1')";
    beside.other.execute_batch(insert).unwrap();
    beside.world.webhooks.check_outbox().await.unwrap();
    assert_eq!(beside.waiting(), 0);
    beside.world.receiver.wait_for(1).await;
    assert_eq!(beside.world.receiver.event_ids()[0].len(), 36);
}

#[tokio::test]
async fn what_is_not_committed_is_not_taken() {
    let mut beside = Beside::new().await;
    let open = beside.other.transaction().unwrap();
    put(&open, "never", "1");
    open.rollback().unwrap();
    let open = beside.other.transaction().unwrap();
    put(&open, "committed", "1");
    open.commit().unwrap();
    beside.world.webhooks.check_outbox().await.unwrap();
    beside.world.webhooks.drain().await;
    assert_eq!(beside.world.receiver.event_ids(), ["committed"]);
}

#[tokio::test]
async fn rows_become_events_once_each_and_in_the_order_of_their_commits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    world.endpoint(|endpoint| endpoint.ordered(true)).await;
    let programs: Vec<_> = (0..4)
        .map(|program| {
            let file = file.clone();
            std::thread::spawn(move || {
                let connection = Connection::open(file).unwrap();
                connection.busy_timeout(seconds(30)).unwrap();
                for number in 0..250 {
                    put(&connection, &format!("{program}-{number}"), "1");
                }
            })
        })
        .collect();
    for program in programs {
        tokio::task::spawn_blocking(move || program.join().unwrap())
            .await
            .unwrap();
    }
    let arrived = world.receiver.wait_for(1_000).await;
    world.webhooks.drain().await;
    let ids: Vec<&str> = arrived
        .iter()
        .map(|request| request.header("webhook-id"))
        .collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 1_000, "each once");
    for program in 0..4 {
        let of_program: Vec<u32> = ids
            .iter()
            .filter_map(|id| id.strip_prefix(&format!("{program}-"))?.parse().ok())
            .collect();
        assert!(of_program.is_sorted(), "{of_program:?}");
    }
}

#[tokio::test]
async fn data_that_is_not_json_stays_with_its_reason_and_holds_nothing_up() {
    let beside = Beside::new().await;
    let other = &beside.other;
    let insert = "insert into webhooks_outbox (customer, type, data) values ('acme', 'a', ?1)";
    for data in ["not JSON", ""] {
        other.execute(insert, [data]).unwrap();
    }
    other.execute(insert, [vec![0xff_u8]]).unwrap();
    beside.put("good", "1");
    beside.world.webhooks.check_outbox().await.unwrap();
    beside.world.webhooks.drain().await;
    assert_eq!(beside.world.receiver.event_ids(), ["good"]);
    let refused = beside.world.webhooks.refused_in_outbox(0).await.unwrap();
    let reasons: Vec<&str> = refused.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons[..2]
            .iter()
            .all(|reason| reason.contains("is not JSON"))
    );
    assert!(reasons[2].contains("must be text"), "{reasons:?}");
}

#[tokio::test]
async fn a_trigger_of_the_apps_sends_within_a_transaction_of_the_engines() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let drawn = world
        .webhooks
        .transaction(|tx| -> Result<_, TransactionError> {
            tx.execute("create table draw (number integer)", [])?;
            tx.execute(
                "create trigger drawn after insert on draw begin
                 insert into webhooks_outbox (customer, type, data, event_id)
                 values ('acme', 'random_number:generate', new.number, 'draw-' || new.number);
             end",
                [],
            )?;
            tx.execute("insert into draw values (7), (8)", [])
        });
    assert_eq!(drawn.await.unwrap(), 2);
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["draw-7", "draw-8"]);
    let left = world.webhooks.transaction(|tx| {
        tx.query_row("select count(*) from webhooks_outbox", [], |row| {
            row.get::<_, i64>(0)
        })
    });
    assert_eq!(left.await.unwrap(), 0);
}
