//! Callers that give up waiting: what they left behind is bounded.

use webhooks_core::Event;

use crate::{abandoned_call::abandon, each_store::Store};

/// Callers of `send` whose work the engine holds at one time; the others wait their turn.
const PLACES: usize = 4 * 1024;

async fn calls_that_were_given_up_keep_their_places_until_they_are_written(store: Store) {
    let world = store.world().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    let release = world.hold_writer().await;
    for number in 0..2 * PLACES {
        let event = Event::new("random_number:generate", &1).id(format!("e{number}"));
        abandon(world.webhooks.send("acme", event));
    }
    let taken = release.places();
    drop(release);
    // Waits its turn behind everything that was queued.
    world.send("after").await;
    let stored = world.webhooks.pending().await.unwrap();
    // What held the writer may have had one of the places; the last send came after.
    assert_eq!(stored, (PLACES - taken + 1) as u64);
}

for_each_store!(calls_that_were_given_up_keep_their_places_until_they_are_written);
