//! Rows in SQLite and Postgres: of the declared types, once, and never a part of a statement.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use futures_util::future::join_all;
use scratch_postgres::Database;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row};
use webhooks_core::{DeliveryState, rusqlite};

use crate::rig::Rig;

const TITLE: &str = "'); drop table draw; -- \" ? $1";

fn rules(url: &str, more: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "keep"
        source = "numbers"
        event = "random_number:generate"
        [[rule.action]]
        kind = "database"
        url = "{url}"
        table = "draw"
        key = "id"
        {more}
        columns.id = {{ type = "text", value = "id" }}
        columns.number = {{ type = "integer", value = "data.number" }}
        columns.share = {{ type = "real", value = "data.number / 1000" }}
        columns.title = {{ type = "text", value = "data.title" }}
        columns.is_high = {{ type = "boolean", value = "data.number > 900" }}
        columns.whole = {{ type = "json", value = "data" }}
        columns.received_at = {{ type = "timestamp", value = "received_at" }}
        columns.lacking = {{ type = "text", value = "data.nothing.at_all" }}
        "#
    )
}

fn data(number: impl Into<Value>) -> Value {
    json!({"number": number.into(), "title": TITLE})
}

async fn draw(rig: &Rig, id: &str, number: impl Into<Value>) {
    assert_eq!(
        rig.send(id, "random_number:generate", data(number)).await,
        200
    );
    rig.settle().await;
}

#[tokio::test]
async fn each_drawn_number_is_a_row_in_sqlite() {
    let rig = Rig::new(&rules("sqlite:numbers.db", "")).await;
    draw(&rig, "first", 863).await;
    draw(&rig, "second", 901).await;
    let connection = rusqlite::Connection::open(rig.path("numbers.db")).unwrap();
    let row = "select number, share, title, is_high, json_extract(whole, '$.number'), lacking is null from draw where id = ?1";
    let read = |id: &str| {
        connection
            .query_row(row, [id], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, f64>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, bool>(3)?,
                    row.get::<_, i64>(4)?,
                    row.get::<_, bool>(5)?,
                ))
            })
            .unwrap()
    };
    assert_eq!(
        read("first"),
        (863, 0.863, TITLE.to_owned(), false, 863, true)
    );
    assert!(read("second").3);
    let mode = std::fs::metadata(rig.path("numbers.db"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    // What is not of the column's type is refused, with the value and the type.
    draw(&rig, "third", "many").await;
    let deliveries = rig.deliveries("keep", "1-database").await;
    let answer = String::from_utf8_lossy(&deliveries[0].attempts[0].body_head).into_owned();
    assert_eq!(answer, "column number: \"many\" is not integer");
}

#[tokio::test]
async fn each_drawn_number_is_a_row_in_postgres() {
    let database = Database::create().unwrap();
    let rig = Rig::new(&rules(database.url(), "")).await;
    draw(&rig, "first", 863).await;
    draw(&rig, "second", 901).await;
    assert_eq!(rig.deliveries("keep", "1-database").await.len(), 2);
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let sql = "select number, share, title, is_high, (whole->>'number')::bigint, lacking is null,
               received_at between now() - interval '1 minute' and now() + interval '1 minute'
               from draw where id = 'first'";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 863);
    assert_eq!(row.get::<f64, _>(1), 0.863);
    assert_eq!(row.get::<String, _>(2), TITLE);
    assert!(!row.get::<bool, _>(3));
    assert_eq!(row.get::<i64, _>(4), 863);
    assert!(row.get::<bool, _>(5) && row.get::<bool, _>(6));
    // A NUL is what Postgres never takes.
    let bad = json!({"number": 1, "title": "a\u{0}b"});
    assert_eq!(rig.send("bad", "random_number:generate", bad).await, 200);
    rig.settle().await;
    let deliveries = rig.deliveries("keep", "1-database").await;
    assert!(
        matches!(deliveries[0].state, DeliveryState::Ended { .. }),
        "{deliveries:?}"
    );
}

/// Postgres refuses all but one of those who make the same table at the same moment.
#[tokio::test]
async fn a_table_that_many_rows_make_at_once_refuses_none_of_them() {
    let database = Database::create().unwrap();
    let rig = Rig::in_real_time(&rules(database.url(), "")).await;
    let ids: Vec<String> = (0..40).map(|number| format!("event-{number}")).collect();
    let sends = ids
        .iter()
        .map(|id| rig.send(id, "random_number:generate", data(1)));
    assert!(join_all(sends).await.iter().all(|status| *status == 200));
    rig.settle().await;
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let row = sqlx::query("select count(*) from draw")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 40);
}

#[tokio::test]
async fn a_row_that_is_there_is_kept_or_updated_as_the_file_says() {
    for (more, number) in [("", 1), ("update = true", 2)] {
        let rig = Rig::new(&rules("sqlite:numbers.db", more)).await;
        // Another event of the same name, by a source's other rule, or by hand.
        draw(&rig, "one", 1).await;
        let by_hand = rusqlite::Connection::open(rig.path("numbers.db")).unwrap();
        by_hand.execute("update draw set id = 'two'", []).unwrap();
        draw(&rig, "two", 2).await;
        let read: i64 = by_hand
            .query_row("select number from draw", [], |row| row.get(0))
            .unwrap();
        assert_eq!(read, number, "{more}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let rig = Rig::new(&rules(
        &format!("postgres://relay:secret@{free}/postgres"),
        "",
    ))
    .await;
    draw(&rig, "first", 863).await;
    let answers = rig.answers("keep", "1-database").await;
    assert!(
        answers[0].starts_with("draw: ") && !answers[0].contains("secret"),
        "{answers:?}"
    );
    let rig = rig.restart_with(&rules("sqlite:numbers.db", "")).await;
    rig.pass(Duration::from_secs(120)).await;
    assert_eq!(
        rig.answers("keep", "1-database").await.last().unwrap(),
        "a row in draw"
    );
}
