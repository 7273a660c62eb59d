//! The accept loop: it bounds the number of connections, and ends them in an orderly way.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
};

use crate::limits::Limits;

/// Trying again at once when the process is out of file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Passes each connection of `listener` to `converse` until `stop` resolves. Then the channel that
/// `converse` was given turns true, and connections still open after [`Limits::grace`] are closed.
///
/// For servers that read the connection themselves, which [`serve`](crate::serve) does not support.
pub async fn accept<Conversation>(
    listener: TcpListener,
    limits: &Limits,
    stop: impl Future<Output = ()>,
    mut converse: impl FnMut(TcpStream, SocketAddr, watch::Receiver<bool>) -> Conversation,
) where
    Conversation: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopper, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            // Keeps the set as small as the number of open connections.
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = next(&listener, &places) => accepted,
        };
        let Some((stream, remote, place)) = accepted else {
            continue;
        };
        let conversation = converse(stream, remote, stopping.clone());
        connections.spawn(async move {
            conversation.await;
            drop(place);
        });
    }
    drop(listener);
    stopper.send_replace(true);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(limits.grace, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            grace_ms = limits.grace.as_millis(),
            "closing connections that were still busy when the grace period ended"
        );
        connections.shutdown().await;
    }
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, remote)) => {
            // Small responses should not wait for Nagle's timer. If this fails, that wait is all it
            // costs.
            let _ = stream.set_nodelay(true);
            Some((stream, remote, place))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        // Not the panic's text: it may quote what the client sent.
        tracing::error!("closed a connection because its task panicked");
    }
}
