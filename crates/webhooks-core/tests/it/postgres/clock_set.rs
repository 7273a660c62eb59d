//! The database's clock is set while nodes work: that tells nothing about who lives.
//!
//! A clock that is set back by an hour leaves beats an hour ahead, and one that is set forward leaves them an hour
//! behind: so that is what is stored here.

use std::time::Duration;

use scratch_postgres::Database;

use super::{open, until};

/// A node of which nothing is heard any more, and whose last beat is an hour ahead.
const AHEAD: &str = "insert into hooks.node (id, name, seen_at, reached_at, alive)
    values (nextval('hooks.node_id'), 'gone', clock_timestamp() + interval '1 hour', 0, true)";
/// All but the oldest: between two of its beats.
const BEHIND: &str = "update hooks.node set seen_at = clock_timestamp() - interval '1 hour'
    where id <> (select min(id) from hooks.node)";
const NUMBERS: &str = "select string_agg(id::text, ' ' order by id) from hooks.node where alive";
/// For some beats of the node that looks, after it has beaten for a lease.
const BEHIND_TIMES: u32 = 40;
const BEHIND_WAIT: Duration = Duration::from_millis(100);
const LEASE: Duration = Duration::from_secs(11);

#[tokio::test]
async fn a_node_that_died_before_the_clock_was_set_back_is_taken_for_dead() {
    let database = Database::create().unwrap();
    let _alive = open(&database).await;
    let numbers = database.query(NUMBERS).unwrap();
    database.query(AHEAD).unwrap();
    until("nobody else is alive", async || {
        database.query(NUMBERS).unwrap() == numbers
    })
    .await;
}

#[tokio::test]
async fn nodes_that_live_are_not_taken_for_dead_when_the_clock_is_set_forward() {
    let database = Database::create().unwrap();
    let _first = open(&database).await;
    let _second = open(&database).await;
    let numbers = database.query(NUMBERS).unwrap();
    // Before that nobody is declared dead.
    tokio::time::sleep(LEASE).await;
    for _ in 0..BEHIND_TIMES {
        database.query(BEHIND).unwrap();
        tokio::time::sleep(BEHIND_WAIT).await;
        assert_eq!(database.query(NUMBERS).unwrap(), numbers);
    }
}
