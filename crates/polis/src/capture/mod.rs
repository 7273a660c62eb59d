//! The listener that captures: it reads requests byte for byte, keeps each before anything else
//! happens to it, and answers as the rules say.
//!
//! It reads its connections itself because no HTTP library hands out what it refuses.

mod arrival;
mod exchange;
pub(crate) mod limits;
mod reply;
mod watching;

use std::sync::Arc;

use tokio::{net::TcpListener, sync::watch};

use crate::polis::Polis;

/// Captures what comes until `stop` turns true, then lets requests in flight finish.
pub(crate) async fn run(listener: TcpListener, polis: Arc<Polis>, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        // An error means that the sender is gone, which stops as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let limits = polis.limits.listener.clone();
    serve::accept(listener, &limits, stopped, |stream, remote, stopping| {
        exchange::converse(Arc::clone(&polis), stream, remote, stopping)
    })
    .await;
}
