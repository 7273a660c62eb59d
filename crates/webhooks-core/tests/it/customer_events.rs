//! The index of a customer's events, which SQLite's store keeps in a table of its own.
#![cfg(feature = "testing")]

use crate::world::{World, hours};
use webhooks_core::{DeliveryFilter, Event, NewEndpoint};

#[tokio::test]
async fn the_index_of_customers_events_forgets_what_retention_takes_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let address = format!("sqlite:{}", file.display());
    let world = World::open(std::sync::Arc::default(), &address, |builder| {
        builder.keep(hours(100), hours(80))
    })
    .await;
    world.endpoint(|endpoint| endpoint).await;
    world
        .send_all((0..10).map(|index| format!("e{index}")))
        .await;
    world.webhooks.drain().await;
    // Another's, in the same block, which is still owed when those are gone.
    let others = world.webhooks.endpoints("other");
    let other = others.add(NewEndpoint::new(world.receiver.url())).await;
    let other = other.unwrap().id;
    others.pause(&other).await.unwrap();
    let owed = Event::new("random_number:generate", &1).id("owed");
    world.webhooks.send("other", owed).await.unwrap();
    world.webhooks.drain().await;
    let indexed = || -> i64 {
        let connection = rusqlite::Connection::open(&file).unwrap();
        let select = "select count(*) from webhooks_customer_block";
        connection.query_row(select, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(indexed(), 2);
    world.pass(hours(101)).await;
    world.webhooks.drain().await;
    assert_eq!(indexed(), 1);
    for listing in [DeliveryFilter::All, DeliveryFilter::Pending] {
        let page = others.deliveries(&other, listing, None, 10).await.unwrap();
        assert_eq!(page.deliveries.len(), 1, "{listing:?}");
    }
}
