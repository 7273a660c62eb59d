//! The outbox table: rows that other programs commit become events, and those that cannot stay.
//!
//! What depends on how each store hears of a row is tested in `outbox_table.rs` and `postgres/outbox_table.rs`.

use webhooks_core::EVENT_BYTES_MAX;

use crate::{
    each_store::{Database, Store},
    world::{
        World, builder,
        fault::{Fault, Meeting},
        outside::Outside,
        seconds,
    },
};

const WAITING: &str = "select count(*) from webhooks_outbox";

/// An engine with one endpoint, and another program's way to its database.
async fn beside(store: Store) -> (World, Outside) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let outside = Outside::at(&world.address);
    (world, outside)
}

async fn put(outside: &Outside, id: &str, data: &str) {
    let insert = format!(
        "insert into webhooks_outbox (customer, type, data, event_id)
         values ('acme', 'random_number:generate', '{data}', '{id}')"
    );
    outside.change(&insert).await;
}

async fn a_bad_row_stays_with_its_reason_and_holds_nothing_up(store: Store) {
    let (world, outside) = beside(store).await;
    put(&outside, "good-1", "1").await;
    world.webhooks.check_outbox().await.unwrap();
    let large = format!("\"{}\"", "x".repeat(EVENT_BYTES_MAX));
    let bad = [
        ("acme", "two words", "1", "null", "event type \"two words\""),
        ("", "a", "1", "null", "customer \"\""),
        ("acme", "a", "1", "'a.b'", "event id \"a.b\""),
        ("acme", "a", &large, "null", "the limit is 262144"),
        (
            "acme",
            "random_number:generate",
            "2",
            "'good-1'",
            "with other content",
        ),
    ];
    for (customer, event_type, data, id, _) in bad {
        let insert = format!(
            "insert into webhooks_outbox (customer, type, data, event_id)
             values ('{customer}', '{event_type}', '{data}', {id})"
        );
        outside.change(&insert).await;
    }
    put(&outside, "good-2", "1").await;
    world.webhooks.check_outbox().await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["good-1", "good-2"]);

    let refused = world.webhooks.refused_in_outbox(0).await.unwrap();
    assert_eq!(refused.len(), bad.len());
    for (row, (.., reason)) in refused.iter().zip(bad) {
        assert!(row.reason.contains(reason), "{row:?} lacks {reason:?}");
    }
    let rest = world.webhooks.refused_in_outbox(refused[3].id).await;
    assert_eq!(rest.unwrap(), refused[4..]);
}

async fn a_refused_row_is_tried_again_once_it_is_mended(store: Store) {
    let (world, outside) = beside(store).await;
    let insert = "insert into webhooks_outbox (customer, type, data, event_id)
                  values ('acme', 'two words', '1', 'mended')";
    outside.change(insert).await;
    world.webhooks.check_outbox().await.unwrap();
    let refused = world.webhooks.refused_in_outbox(0).await.unwrap();
    let id = refused[0].id;
    let retry = async || world.webhooks.retry_refused(id).await.unwrap();
    assert!(retry().await, "it is tried, and refused again");
    assert_eq!(outside.count(WAITING).await, 1);
    assert_eq!(world.webhooks.refused_in_outbox(0).await.unwrap(), refused);
    let mend = "update webhooks_outbox set type = 'two:words'";
    assert_eq!(outside.change(mend).await, 1);
    assert!(retry().await);
    assert_eq!(outside.count(WAITING).await, 0);
    assert!(!retry().await, "it is gone");
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["mended"]);
}

async fn the_same_id_and_content_again_is_the_same_event(store: Store) {
    let (world, outside) = beside(store).await;
    for _ in 0..3 {
        put(&outside, "a", "1").await;
    }
    world.webhooks.check_outbox().await.unwrap();
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    assert_eq!(outside.count(WAITING).await, 0);
}

async fn rows_that_were_put_there_while_no_engine_ran_are_taken_at_the_start(store: Store) {
    let (mut world, outside) = beside(store).await;
    let Database { address, .. } = &world.database.take().unwrap();
    world.webhooks.shutdown(seconds(5)).await;
    for number in 0..600 {
        put(&outside, &format!("e{number}"), "1").await;
    }
    let webhooks = builder(&world.clock).open(address).await.unwrap();
    world.receiver.wait_for(600).await;
    webhooks.shutdown(seconds(5)).await;
    assert_eq!(outside.count(WAITING).await, 0);
}

async fn a_store_that_refuses_for_a_while_loses_no_row(store: Store) {
    let (world, outside) = beside(store).await;
    let fault = Fault::plant(&world.address, "event", Meeting::Aborts).await;
    put(&outside, "a", "1").await;
    world.webhooks.check_outbox().await.unwrap();
    let refused = world.webhooks.refused_in_outbox(0).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].reason.contains("planted"), "{refused:?}");
    assert_eq!(outside.count(WAITING).await, 1);
    fault.mend().await;
    for row in refused {
        assert!(world.webhooks.retry_refused(row.id).await.unwrap());
    }
    world.webhooks.check_outbox().await.unwrap();
    world.receiver.wait_for(1).await;
    world.webhooks.drain().await;
    assert_eq!(world.receiver.event_ids(), ["a"]);
    assert_eq!(outside.count(WAITING).await, 0);
}

for_each_durable_store!(
    a_bad_row_stays_with_its_reason_and_holds_nothing_up,
    a_refused_row_is_tried_again_once_it_is_mended,
    the_same_id_and_content_again_is_the_same_event,
    rows_that_were_put_there_while_no_engine_ran_are_taken_at_the_start,
    a_store_that_refuses_for_a_while_loses_no_row
);
