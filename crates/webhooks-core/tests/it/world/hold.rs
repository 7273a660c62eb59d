//! Holding whatever writes, as a disk that hangs would.

use std::sync::mpsc;

use tokio::sync::oneshot;
use webhooks_core::TransactionError;

use crate::world::World;

/// Ends the hold when it is dropped.
pub(crate) struct Hold(
    #[expect(dead_code, reason = "what counts is that it is there")] mpsc::Sender<()>,
);

impl Hold {
    /// How many of the places that there are for callers of `send` it takes itself.
    pub(crate) fn places(&self) -> usize {
        1
    }
}

impl World {
    /// Queues work that holds the writer until it is dropped. The receiver hears when it runs.
    pub(crate) async fn hold_writer_in_turn(&self) -> (oneshot::Receiver<()>, Hold) {
        let (release, released) = mpsc::channel::<()>();
        let (started, running) = oneshot::channel();
        let webhooks = self.webhooks.clone();
        tokio::spawn(async move {
            let held = webhooks.transaction(move |_| {
                let _ = started.send(());
                let _ = released.recv();
                Ok::<_, TransactionError>(())
            });
            held.await.unwrap();
        });
        tokio::task::yield_now().await;
        (running, Hold(release))
    }

    /// Holds the writer from when this returns, so that what is called meanwhile is one commit.
    pub(crate) async fn hold_writer(&self) -> Hold {
        let (running, hold) = self.hold_writer_in_turn().await;
        running.await.unwrap();
        hold
    }
}
