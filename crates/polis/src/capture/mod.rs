//! The listener that captures: it accepts connections, reads requests byte for byte, keeps
//! each before anything else happens to it, and answers as the rules say.
//!
//! It has its own accept loop because no HTTP library hands out what it refuses; its limits
//! are those of the project's other servers, [`serve::Limits`].

mod arrival;
mod exchange;
pub(crate) mod limits;
mod reply;
mod watching;

use std::{sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::{JoinError, JoinSet},
};

use crate::polis::Polis;

/// How long requests in flight may go on once polis was asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Captures what comes until `stop` turns true, then lets requests in flight finish.
pub(crate) async fn run(listener: TcpListener, polis: Arc<Polis>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(polis.limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            // Keeps the set as small as what is open.
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, remote, place)) => {
                let polis = Arc::clone(&polis);
                let stop = stop.clone();
                connections.spawn(async move {
                    exchange::converse(polis, stream, remote, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            grace_s = GRACE.as_secs(),
            "closing connections that were still busy when the grace ended"
        );
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked; the others go on");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(
    tokio::net::TcpStream,
    std::net::SocketAddr,
    Option<tokio::sync::OwnedSemaphorePermit>,
)> {
    // The semaphore is never closed, so a place always comes.
    let place = Arc::clone(places).acquire_owned().await.ok();
    let (stream, remote) = listener.accept().await?;
    // Small answers should not wait for Nagle's timer.
    let _ = stream.set_nodelay(true);
    Ok((stream, remote, place))
}
