//! Stores that are not copied, and what is said of each.

use scratch_postgres::Database;
use webhooks_core::{CopyError, OpenError, copy, postgres};

use super::{Old, address, send};
use crate::world::seconds;

#[tokio::test]
async fn a_file_that_an_engine_delivers_from_is_refused() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    let webhooks = old.builder().open(&old.address()).await.unwrap();
    let refused = copy(&old.address(), &address(&database)).await.unwrap_err();
    assert!(
        matches!(refused, CopyError::Open(OpenError::InUse { .. })),
        "{refused}"
    );
    drop(webhooks);
}

#[tokio::test]
async fn a_database_with_something_of_its_own_is_refused_and_left_alone() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    let webhooks = old.builder().open(&address(&database)).await.unwrap();
    let refused = copy(&old.address(), &address(&database)).await.unwrap_err();
    assert!(matches!(refused, CopyError::EngineRuns { .. }), "{refused}");
    send(&webhooks, "acme", "own").await;
    webhooks.shutdown(seconds(5)).await;
    let refused = copy(&old.address(), &address(&database)).await.unwrap_err();
    assert!(
        matches!(refused, CopyError::NotEmpty { table: "event", .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("hooks.event"), "{refused}");
    old.builder().open(&address(&database)).await.unwrap();
}

#[tokio::test]
async fn a_file_without_a_store_is_refused_and_not_made() {
    let (folder, database) = (tempfile::tempdir().unwrap(), Database::create().unwrap());
    let (missing, apps) = (folder.path().join("no.db"), folder.path().join("app.db"));
    let app = rusqlite::Connection::open(&apps).unwrap();
    app.execute_batch("create table orders (n)").unwrap();
    for file in [&missing, &apps] {
        let from = format!("sqlite:{}", file.display());
        let refused = copy(&from, &address(&database)).await.unwrap_err();
        assert!(matches!(refused, CopyError::NoStore { .. }), "{refused}");
    }
    assert!(!missing.exists());
    let tables: i64 = app
        .query_row("select count(*) from sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn addresses_the_wrong_way_round_are_refused_without_a_password() {
    for (from, to) in [
        ("postgres://app:secret@127.0.0.1:1/shop", "sqlite:w.db"),
        ("sqlite::memory:", "postgres://app:secret@127.0.0.1:1/shop"),
        (
            "postgres://app:secret@127.0.0.1:1/shop",
            "postgres://app:secret@127.0.0.1:1/other",
        ),
    ] {
        let refused = copy(from, to).await.unwrap_err();
        assert!(matches!(refused, CopyError::Addresses), "{refused}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
}

#[tokio::test]
async fn rows_of_the_outbox_table_that_postgres_cannot_take_are_named_before_anything_is_copied() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    old.insert(
        "insert into webhooks_outbox (id, customer, type, data, refused) values (41, 'acme', 'a', '{', 'not JSON');
         insert into webhooks_outbox (id, customer, type, data) values (42, x'00', 'a', '1')",
    );
    let refused = copy(&old.address(), &address(&database)).await.unwrap_err();
    assert!(
        matches!(&refused, CopyError::Outbox { ids, .. } if *ids == [41, 42]),
        "{refused}"
    );
    assert!(refused.to_string().contains("41, 42"), "{refused}");
    old.insert("delete from webhooks_outbox where id in (41, 42)");
    copy(&old.address(), &address(&database)).await.unwrap();
}

#[tokio::test]
async fn what_is_written_to_the_database_meanwhile_is_found_by_counting() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    for migration in postgres::migrations("hooks").unwrap() {
        database.query(&migration.sql).unwrap();
    }
    // A trigger of somebody's that swallows a row.
    database
        .query(
            "create function hooks.swallow() returns trigger language plpgsql as $$ begin
                 if new.id = 'behind' then return null; end if; return new; end $$;
             create trigger swallow before insert on hooks.event for each row execute function hooks.swallow()",
        )
        .unwrap();
    let refused = copy(&old.address(), &address(&database)).await.unwrap_err();
    let CopyError::Different { tables } = &refused else {
        panic!("{refused}");
    };
    assert_eq!((tables.len(), tables[0].name), (1, "event"), "{refused}");
    assert!(
        refused
            .to_string()
            .contains("event: 8 in the file, 7 in Postgres"),
        "{refused}"
    );
}
