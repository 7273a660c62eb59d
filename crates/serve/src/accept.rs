//! The accept loop: a bounded number of connections, and an orderly end of them.

use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
};

use crate::limits::Limits;

/// Trying again at once when the process is out of file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Gives each connection of `listener` to `converse` until `stop` resolves; what `converse` is given
/// turns true then, and whatever is left after [`Limits::grace`] is closed.
///
/// For what [`serve`](crate::serve) is not for: a server that reads the connection itself.
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
            // Keeps the set as small as what is open.
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
            "closing connections that were still busy when the grace ended"
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
            // Small answers should not wait for Nagle's timer; a refusal only costs that.
            let _ = stream.set_nodelay(true);
            Some((stream, remote, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
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
        tracing::error!("a connection was closed because its answer panicked midway");
    }
}
