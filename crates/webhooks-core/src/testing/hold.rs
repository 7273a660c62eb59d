//! Blocking the writer, as a disk or database that hangs would.

use std::sync::mpsc;

use crate::{
    store::{ask::Ask, error::StoreError},
    webhooks::Webhooks,
};

/// Blocks the writer until it is dropped.
#[derive(Debug)]
#[must_use = "the writer continues when this is dropped"]
pub struct WriterHold {
    _release: mpsc::Sender<()>,
}

impl Webhooks {
    /// Blocks the writer from when this returns until the result is dropped, as a disk or database that hangs
    /// would: what is sent meanwhile is not stored, and everything queued becomes one commit. Do not hold it for
    /// longer than a few seconds: Postgres ends a transaction that is idle.
    ///
    /// # Errors
    /// The engine was shut down.
    pub async fn hold_writer(&self) -> Result<WriterHold, StoreError> {
        let (_release, released) = mpsc::channel();
        let hold = self.shared().queue.ask(|reply| Ask::Hold(reply, released));
        hold.await?;
        Ok(WriterHold { _release })
    }
}
