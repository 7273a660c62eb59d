//! Databases that cannot be opened, and what is said of each.

use scratch_postgres::Database;
use webhooks_core::{OpenError, Webhooks, postgres};

use super::{address, open};

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let database = Database::create().unwrap();
    drop(open(&database).await);
    database
        .query("update hooks.setting set value = 999 where name = 'version'")
        .unwrap();
    let refused = Webhooks::open(&address(&database)).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Newer { found: 999, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn the_tables_can_be_made_by_a_tool_of_the_apps() {
    let database = Database::create().unwrap();
    for migration in postgres::migrations("hooks").unwrap() {
        database.query(&migration.sql).unwrap();
    }
    let webhooks = open(&database).await;
    assert_eq!(webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_user_without_rights_is_told_which() {
    let database = Database::create().unwrap();
    database
        .query("do $$ begin if not exists (select 1 from pg_roles where rolname = 'guest_of_hooks') then create role guest_of_hooks login; end if; end $$")
        .unwrap();
    let mut guest = url::Url::parse(&address(&database)).unwrap();
    guest.set_username("guest_of_hooks").unwrap();
    let refused = Webhooks::open(guest.as_str()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Rights { .. }), "{refused:?}");
    assert!(refused.to_string().contains("grant"), "{refused}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_without_its_password() {
    let address = "postgres://app:secret@127.0.0.1:1/shop";
    let refused = Webhooks::open(address).await.unwrap_err().to_string();
    assert!(refused.contains("127.0.0.1:1"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

#[tokio::test]
async fn another_key_is_refused_at_the_start() {
    let database = Database::create().unwrap();
    let sealed = super::open_with(&database, |builder| builder.encryption_key([1; 32])).await;
    sealed
        .endpoints("acme")
        .add("https://acme.example/hooks")
        .await
        .unwrap();
    drop(sealed);
    let refused = Webhooks::builder()
        .encryption_key([2; 32])
        .open(&address(&database))
        .await;
    assert!(matches!(refused, Err(OpenError::Key { .. })), "{refused:?}");
}
