//! The capturing listener: it reads requests byte for byte, keeps each one before anything else
//! happens to it, and answers according to the rules.
//!
//! It reads its connections itself, because no HTTP library hands out requests that it refuses.

mod arrival;
mod exchange;
pub(crate) mod limits;
mod reply;
mod watching;

use std::sync::Arc;

use tokio::{net::TcpListener, sync::watch};

use crate::polis::Polis;

/// Captures requests until `stop` becomes true, then lets requests in flight finish.
pub(crate) async fn run(listener: TcpListener, polis: Arc<Polis>, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        // An error means that the sender is gone, which also stops it.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let limits = polis.limits.listener.clone();
    serve::accept(listener, &limits, stopped, |stream, remote, stopping| {
        exchange::converse(Arc::clone(&polis), stream, remote, stopping)
    })
    .await;
}
