//! A copy that is interrupted again and again.

use scratch_postgres::Database;
use webhooks_core::{CopyError, OpenError, Webhooks, copy, postgres};

use super::{Old, address, rows};

/// Enough for several slices of events and of attempts, over several days.
const MANY_ROWS: &str = "
    create temporary table n as
    with recursive n(n) as (select 1 union all select n + 1 from n where n < 5000) select n from n;
    create temporary table last as select max(seq) as seq, max(created_at) as at from webhooks_event;
    insert into webhooks_event (seq, id, customer, type, body, created_at)
    select seq + n, 'many-' || n, 'many', 'a', zeroblob(n % 300), at - n * 60000 from n, last;
    insert into webhooks_attempt (event_seq, endpoint_key, number, at, duration_us, status, headers, body)
    select seq + n, 1, 1, at - n * 60000 + 7, n, 200, '', zeroblob(0) from n, last";

/// Every other time that a position is raised, and that the end is noted, the connection is cut in the
/// middle of the transaction. What a sequence counts stays when a transaction is rolled back.
const CUTS: &str = "
    create sequence hooks.cuts;
    create function hooks.cut() returns trigger language plpgsql as $$ begin
        if nextval('hooks.cuts') % 2 = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
        return new;
    end $$;
    create trigger cut after update on hooks.setting for each row
        when (new.name like 'copy_position_%') execute function hooks.cut();
    create trigger cut after insert on hooks.node for each row
        when (not new.alive) execute function hooks.cut();";

/// All that was copied, a line for each table.
fn copied(database: &Database) -> Vec<String> {
    let tables = [
        "outage",
        "endpoint",
        "endpoint_secret",
        "event",
        "delivery",
        "lane",
        "attempt",
        "ending",
        "outbox",
    ];
    let rows = tables.map(|table| {
        let digest = format!(
            "select '{table}', count(*), md5(string_agg(t::text, ',' order by t::text)) from hooks.{table} t"
        );
        database.query(&digest).unwrap()
    });
    rows.to_vec()
}

#[tokio::test]
async fn one_that_is_interrupted_in_every_slice_comes_to_the_same_end() {
    let old = Old::new().await;
    old.insert(MANY_ROWS);
    let (cut, whole) = (Database::create().unwrap(), Database::create().unwrap());
    for migration in postgres::migrations("hooks").unwrap() {
        cut.query(&migration.sql).unwrap();
    }
    cut.query(CUTS).unwrap();
    let mut interruptions = 0;
    let report = loop {
        match copy(&old.address(), &address(&cut)).await {
            Ok(report) => break report,
            Err(error @ CopyError::Target { .. }) => {
                interruptions += 1;
                assert!(
                    error.to_string().ends_with("copy again to continue"),
                    "{error}"
                );
                let refused = old.builder().open(&address(&cut)).await.map(drop);
                assert!(
                    matches!(refused, Err(OpenError::Copying { .. })),
                    "{refused:?}"
                );
            }
            Err(error) => panic!("{error}"),
        }
        assert!(interruptions < 50, "it does not come to its end");
    };
    // Three slices of events and of attempts, one each of six other tables, and the end.
    assert_eq!(interruptions, 13);
    assert_eq!(rows(&report)["event"], 5008);
    let other = copy(&old.address(), &address(&whole)).await.unwrap();
    assert_eq!(report, other);
    assert_eq!(copied(&cut), copied(&whole));
    // Whoever did not hear of the end asks again.
    assert_eq!(copy(&old.address(), &address(&cut)).await.unwrap(), report);
    old.builder().open(&address(&cut)).await.unwrap();
}

#[tokio::test]
async fn what_an_engine_did_since_is_not_mixed_with_what_was_copied_before() {
    let (old, database) = (Old::new().await, Database::create().unwrap());
    for migration in postgres::migrations("hooks").unwrap() {
        database.query(&migration.sql).unwrap();
    }
    database.query(CUTS).unwrap();
    copy(&old.address(), &address(&database)).await.unwrap_err();
    drop(old.builder().open(&old.address()).await.unwrap());
    let refused = loop {
        match copy(&old.address(), &address(&database)).await.unwrap_err() {
            // The engine is about to let go of the file.
            CopyError::Open(OpenError::InUse { .. }) => tokio::task::yield_now().await,
            refused => break refused,
        }
    };
    assert!(
        matches!(refused, CopyError::OtherSource { .. }),
        "{refused}"
    );
    database.query("drop schema hooks cascade").unwrap();
    copy(&old.address(), &address(&database)).await.unwrap();
    let opened = Webhooks::open(&address(&database)).await.map(drop);
    // Without the key: it is the store that was sealed with one.
    assert!(matches!(opened, Err(OpenError::Key { .. })), "{opened:?}");
}
