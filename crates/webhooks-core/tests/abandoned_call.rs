//! Callers that give up waiting: what they left behind is bounded.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)]

mod world;

use std::{future::Future, pin::pin, sync::mpsc, task::Context};

use futures_util::task::noop_waker;
use webhooks_core::{Event, Webhooks};
use world::World;

/// Callers of `send` whose work the engine holds at one time; the others wait their turn.
const PLACES: usize = 4 * 1024;

/// Keeps the writer busy until the sender is dropped, as a disk that hangs would.
async fn hold_writer(webhooks: &Webhooks) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (started, running) = tokio::sync::oneshot::channel();
    let webhooks = webhooks.clone();
    tokio::spawn(async move {
        let held = webhooks.transaction(move |_| {
            let _ = started.send(());
            let _ = released.recv();
            Ok(())
        });
        held.await.unwrap();
    });
    running.await.unwrap();
    release
}

/// Starts a call and gives up at once.
fn abandon<T>(call: impl Future<Output = T>) {
    let waker = noop_waker();
    // Else tokio makes every call after the first 128 of this test wait for its next turn.
    let call = tokio::task::unconstrained(call);
    assert!(
        pin!(call)
            .poll(&mut Context::from_waker(&waker))
            .is_pending(),
        "the writer is held: no call has its answer yet"
    );
}

#[tokio::test]
async fn calls_that_were_given_up_keep_their_places_until_they_are_written() {
    let world = World::new().await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    let release = hold_writer(&world.webhooks).await;
    for number in 0..2 * PLACES {
        let event = Event::new("random_number:generate", &1).id(format!("e{number}"));
        abandon(world.webhooks.send("acme", event));
    }
    drop(release);
    // Waits its turn behind everything that was queued.
    world.send("after").await;
    let stored = world.webhooks.owed().await.unwrap();
    // The transaction that held the writer had one of the places; the last send came after.
    assert_eq!(stored, PLACES as u64 - 1 + 1);
}
