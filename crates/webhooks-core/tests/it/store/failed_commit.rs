//! A commit that failed leaves memory as the store is.

use std::time::Duration;

use webhooks_core::Event;

use crate::{
    each_store::Store,
    world::fault::{Fault, Meeting},
};

/// How long the engine may take to answer; waiting for what is not there takes for ever.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

async fn a_delivery_that_could_not_be_stored_is_not_waited_for(store: Store) {
    let world = store.world().await;
    world.endpoint(|endpoint| endpoint).await;
    let fault = Fault::plant(&world.address, "delivery", Meeting::Aborts).await;
    let event = Event::new("random_number:generate", &1).id("refused");
    world.webhooks.send("acme", event).await.unwrap_err();
    fault.mend().await;
    world.send("after").await;
    let drained = tokio::time::timeout(ANSWER_LIMIT, world.webhooks.drain()).await;
    drained.expect("nothing is held any more");
    assert_eq!(world.receiver.event_ids(), ["after"]);
}

for_each_durable_store!(a_delivery_that_could_not_be_stored_is_not_waited_for);
