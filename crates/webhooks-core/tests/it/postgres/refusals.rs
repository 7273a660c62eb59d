//! Databases that cannot be opened, and what is said of each.

use scratch_postgres::Database;
use webhooks_core::{OpenError, Webhooks, postgres};

use super::{address, open, until};

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let database = Database::create().unwrap();
    drop(open(&database).await);
    database
        .query("update hooks.setting set value = 999 where name in ('version', 'oldest_reader')")
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
    let guest = as_user(&database, "guest_of_hooks");
    let refused = Webhooks::open(&guest).await.unwrap_err();
    assert!(matches!(refused, OpenError::Rights { .. }), "{refused:?}");
    assert!(refused.to_string().contains("grant"), "{refused}");
}

/// The address with another user, who may log in and nothing else.
fn as_user(database: &Database, name: &str) -> String {
    let make = format!(
        "do $$ begin if not exists (select 1 from pg_roles where rolname = '{name}') then create role {name} login; end if; end $$"
    );
    database.query(&make).unwrap();
    let mut address = url::Url::parse(&address(database)).unwrap();
    address.set_username(name).unwrap();
    address.into()
}

#[tokio::test]
async fn a_right_that_is_missing_on_one_table_is_told_before_anything_is_sent() {
    let database = Database::create().unwrap();
    drop(open(&database).await);
    let user = as_user(&database, "clerk_of_hooks");
    for grant in [
        "usage on schema hooks",
        "all on all sequences in schema hooks",
        "all on all tables in schema hooks",
    ] {
        let grant = format!("grant {grant} to clerk_of_hooks");
        database.query(&grant).unwrap();
    }
    database
        .query("revoke insert on hooks.attempt from clerk_of_hooks")
        .unwrap();
    let refused = Webhooks::open(&user).await.unwrap_err();
    assert!(matches!(refused, OpenError::Rights { .. }), "{refused:?}");
    let told = refused.to_string();
    assert!(told.contains("insert on table attempt"), "{told}");
    assert!(!told.contains("select"), "{told}");
}

/// Partitions of the next days are there already.
#[tokio::test]
async fn a_user_who_could_make_no_partition_is_told_at_once() {
    let database = Database::create().unwrap();
    drop(open(&database).await);
    let user = as_user(&database, "tenant_of_hooks");
    let refused = async || {
        let refused = Webhooks::open(&user).await.unwrap_err();
        assert!(matches!(refused, OpenError::Rights { .. }), "{refused:?}");
        refused.to_string()
    };
    for grant in [
        "usage on schema hooks",
        "all on all sequences in schema hooks",
        "all on all tables in schema hooks",
    ] {
        let grant = format!("grant {grant} to tenant_of_hooks");
        database.query(&grant).unwrap();
    }
    let told = refused().await;
    assert!(told.contains("may not create tables"), "{told}");
    database
        .query("grant create on schema hooks to tenant_of_hooks")
        .unwrap();
    let told = refused().await;
    assert!(told.contains("does not own: table attempt, "), "{told}");
}

#[tokio::test]
async fn tables_are_left_to_a_tool_of_the_apps_where_it_migrates_them() {
    let database = Database::create().unwrap();
    let user = as_user(&database, "runner_of_hooks");
    database
        .query("create schema hooks authorization runner_of_hooks")
        .unwrap();
    let migrations = postgres::migrations("hooks").unwrap();
    let open = async || {
        let builder = Webhooks::builder().migrate(false);
        builder.open(&user).await
    };
    for migration in &migrations {
        let refused = open().await.unwrap_err();
        let OpenError::Older { found, known, .. } = refused else {
            panic!("{refused}");
        };
        assert_eq!(found, migration.version - 1);
        assert_eq!(known, migrations.last().unwrap().version);
        let told = refused.to_string();
        assert!(told.contains("postgres::migrations(\"hooks\")"), "{told}");
        let as_owner = format!("set role runner_of_hooks; {}", migration.sql);
        database.query(&as_owner).unwrap();
    }
    let webhooks = open().await.unwrap();
    assert_eq!(webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_user_with_too_few_connections_is_told_how_many_are_needed() {
    let database = Database::create().unwrap();
    let user = as_user(&database, "busy_with_hooks");
    let allow = async |connections: u32| {
        let allow = format!("alter role busy_with_hooks connection limit {connections}");
        database.query(&allow).unwrap();
        Webhooks::open(&user).await
    };
    database
        .query("create schema hooks authorization busy_with_hooks")
        .unwrap();
    for connections in [0, 1, 5] {
        let refused = allow(connections).await.unwrap_err();
        assert!(
            matches!(refused, OpenError::TooManyConnections { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("needs six connections"));
    }
    // Those that are closed are counted for a moment.
    until("six are enough", async || match allow(6).await {
        Ok(_) => true,
        Err(OpenError::TooManyConnections { .. }) => false,
        Err(error) => panic!("{error}"),
    })
    .await;
}

#[tokio::test]
async fn a_user_who_may_make_no_schemas_uses_one_that_is_there() {
    let database = Database::create().unwrap();
    let owner = as_user(&database, "owner_of_hooks");
    database
        .query("create schema hooks authorization owner_of_hooks")
        .unwrap();
    let webhooks = Webhooks::open(&owner).await.unwrap();
    assert_eq!(webhooks.pending().await.unwrap(), 0);
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
