//! Transactions that fail on their way: memory must be as the database is.

use std::time::Duration;

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, RetrySchedule, testing::Receiver};

use super::{open_with, until};

/// The first row that is put into a table of ours is refused, and so is its transaction.
fn refuse_first(database: &Database, table: &str) {
    for statement in [
        "create sequence hooks.inserts".to_owned(),
        "create function hooks.refuse_first() returns trigger language plpgsql as $$
         begin
             if nextval('hooks.inserts') = 1 then raise exception 'refused on purpose'; end if;
             return new;
         end $$"
            .to_owned(),
        format!(
            "create trigger refuse_first before insert on hooks.{table}
             for each row execute function hooks.refuse_first()"
        ),
    ] {
        database.query(&statement).unwrap();
    }
}

#[tokio::test]
async fn a_lane_is_loaded_after_an_outcome_that_was_refused_at_first() {
    let database = Database::create().unwrap();
    let soon = RetrySchedule::new([Duration::from_millis(50); 5]).unwrap();
    let webhooks = open_with(&database, |builder| builder.retry(soon)).await;
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
    refuse_first(&database, "attempt");
    receiver.respond_to("first", [500, 200]);
    // In one call: the outcome of the first must not be refused together with the second.
    let events = ["first", "second"].map(|id| Event::new("a", &1).id(id));
    webhooks.send_all("acme", events).await.unwrap();
    until("all is delivered", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(receiver.event_ids(), ["first", "first", "second"]);
    let inserts = database.query("select last_value from hooks.inserts");
    assert_eq!(inserts.unwrap(), "4");
}
