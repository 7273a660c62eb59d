//! Callers that give up waiting: what they left behind is bounded, and cannot stop the writer.
#![cfg(feature = "testing")]

use std::{future::Future, pin::pin, task::Context, time::Duration};

use crate::world::World;
use futures_util::task::noop_waker;
use webhooks_core::{Event, SendError, StoreError, TransactionError};

/// A call that is answered at all is answered long before.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Starts a call and gives up at once.
pub(crate) fn abandon<T>(call: impl Future<Output = T>) {
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

/// Panics where it is dropped, as the guard of an app's own may.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("the app's own value panicked in its destructor");
    }
}

#[tokio::test]
async fn a_result_that_panics_when_nobody_takes_it_does_not_stop_the_writer() {
    let world = World::new().await;
    world.endpoint(|endpoint| endpoint).await;
    let release = world.hold_writer().await;
    abandon(
        world
            .webhooks
            .transaction(|_| Ok::<_, TransactionError>(PanicsInDrop)),
    );
    drop(release);
    let sent = async {
        // The first may be answered by the very commit that the value is dropped after.
        world.send("beside").await;
        world.send("after").await;
        world.receiver.wait_for(2).await;
    };
    tokio::time::timeout(ANSWER_LIMIT, sent)
        .await
        .expect("the writer goes on");
    assert_eq!(world.receiver.event_ids().len(), 2);
}

#[tokio::test]
async fn a_closure_that_panics_when_it_is_refused_does_not_stop_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    world.endpoint(|endpoint| endpoint).await;
    // Whatever is in the same commit as an outcome that cannot be stored is refused unrun.
    let outside = rusqlite::Connection::open(&file).unwrap();
    let refuse = "create trigger refuse before insert on webhooks_attempt
                  begin select raise(abort, 'planted'); end";
    outside.execute_batch(refuse).unwrap();
    let mut refused = Ok(());
    for number in 0.. {
        let event = Event::new("random_number:generate", &1).id(format!("e{number}"));
        if world.webhooks.send("acme", event).await.is_err() {
            break;
        }
        world.receiver.wait_for(1).await;
    }
    for _ in 0..3 {
        let guard = PanicsInDrop;
        refused = world
            .webhooks
            .transaction(move |_| {
                std::mem::forget(guard);
                Ok::<_, TransactionError>(())
            })
            .await;
    }
    assert!(
        matches!(
            refused,
            Err(TransactionError::Store(StoreError::Database(_)))
        ),
        "{refused:?}"
    );
    outside.execute_batch("drop trigger refuse").unwrap();
    let sent = tokio::time::timeout(ANSWER_LIMIT, world.send("after"));
    sent.await.expect("the writer goes on");
}

#[tokio::test]
async fn a_writer_that_dies_refuses_every_call_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.db");
    let world = World::on_file(&file).await;
    let id = world.endpoint(|endpoint| endpoint).await;
    world.webhooks.endpoints("acme").pause(&id).await.unwrap();
    world.send("before").await;
    // A panic whose own value panics is more than the writer survives.
    let died = world
        .webhooks
        .transaction(|_| -> Result<(), TransactionError> { std::panic::panic_any(PanicsInDrop) });
    assert!(died.await.is_err());
    let refused = tokio::time::timeout(
        ANSWER_LIMIT,
        world.webhooks.send("acme", Event::new("a", &1)),
    );
    let refused = refused.await.expect("it is answered");
    assert!(
        matches!(refused, Err(SendError::Store(StoreError::Closed))),
        "{refused:?}"
    );
    world.webhooks.shutdown(ANSWER_LIMIT).await;
    let again = World::on_file(&file).await;
    assert_eq!(again.webhooks.pending().await.unwrap(), 1);
}
