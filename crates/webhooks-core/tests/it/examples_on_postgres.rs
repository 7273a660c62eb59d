//! The examples that need a Postgres database.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "testing"))]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use scratch_postgres::Database;
use webhooks_core::{Webhooks, postgres, testing::Receiver};

use crate::examples::example;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn orders_stores_an_order_with_its_event_or_neither() {
    let database = Database::create().unwrap();
    let receiver = Receiver::start().await.unwrap();
    let mut orders = example("orders");
    orders
        .args([database.url(), &receiver.url()])
        .env("PORT", "0");
    let mut orders = Running(orders.stdout(Stdio::piped()).spawn().unwrap());
    let mut printed = BufReader::new(orders.0.stdout.take().unwrap());
    let url = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        line.trim().to_owned()
    });
    let url = url.await.unwrap();
    let client = reqwest::Client::new();
    let place = async |number: i64| {
        let order = client
            .post(&url)
            .header("content-type", "application/json")
            .body(format!(r#"{{"number": {number}, "item": "a book"}}"#));
        order.send().await.unwrap().status().as_u16()
    };
    assert_eq!(place(7).await, 201);
    assert_eq!(place(7).await, 409, "there is one already");
    assert_eq!(place(8).await, 201);
    let requests = receiver.wait_for(2).await;
    let mut numbers: Vec<_> = requests
        .iter()
        .map(|request| request.json()["data"]["number"].as_i64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [7, 8]);
    let rows = database
        .query("select (select count(*) from orders), (select count(*) from webhooks.event)")
        .unwrap();
    assert_eq!(rows.trim(), "2|2");
}

/// Some slices' worth.
const EVENTS: u32 = 20_000;

/// Each slice takes its time.
const SLOW: &str = "
    create function webhooks.slow() returns trigger language plpgsql as $$ begin
        perform pg_sleep(0.2); return new; end $$;
    create trigger slow after update on webhooks.setting for each row execute function webhooks.slow()";

#[tokio::test]
async fn move_to_postgres_goes_on_where_it_was_killed() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create().unwrap());
    let file = folder.path().join("w.db");
    let from = format!("sqlite:{}", file.display());
    let webhooks = Webhooks::open(&from).await.unwrap();
    webhooks.shutdown(Duration::from_secs(5)).await;
    drop(webhooks);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute(
            "with recursive n(n) as (select 1 union all select n + 1 from n where n < ?1)
             insert into webhooks_event (seq, id, customer, type, body, created_at)
             select n, 'e' || n, 'acme', 'a', zeroblob(200), 1700000000000 + n * 1000 from n",
            [EVENTS],
        )
        .unwrap();
    drop(connection);
    for migration in postgres::migrations("webhooks").unwrap() {
        database.query(&migration.sql).unwrap();
    }
    database.query(SLOW).unwrap();
    let copied = || -> u32 {
        let count = database.query("select count(*) from webhooks.event");
        count.unwrap().trim().parse().unwrap()
    };
    let mut program = example("move_to_postgres");
    program.args([&from, database.url()]).stdout(Stdio::null());
    for _ in 0..3 {
        let before = copied();
        let mut killed = Running(program.spawn().unwrap());
        while copied() == before {
            assert!(killed.0.try_wait().unwrap().is_none(), "it ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(killed);
    }
    assert!(copied() < EVENTS);
    database
        .query("drop trigger slow on webhooks.setting")
        .unwrap();
    let ended = program
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = ended.unwrap().wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let told = format!("event: {EVENTS} in the file, {EVENTS} in Postgres");
    assert!(printed.contains(&told), "{printed}");
    let ids = database
        .query("select count(distinct id), count(*), min(seq), max(seq) from webhooks.event")
        .unwrap();
    assert_eq!(ids.trim(), format!("{EVENTS}|{EVENTS}|1|{EVENTS}"));
}

#[test]
fn move_to_postgres_says_what_to_do() {
    let said = |arguments: &[&str]| {
        let output = example("move_to_postgres")
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&[]).contains("usage"), "{}", said(&[]));
    let arguments = [
        "sqlite:/nowhere/w.db",
        "postgres://app:secret@127.0.0.1:1/shop",
    ];
    let refused = said(&arguments);
    assert!(refused.contains("/nowhere/w.db has no store"), "{refused}");
}
