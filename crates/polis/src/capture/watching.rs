//! Detects that the client hangs up while polis is busy with its answer.

use std::time::Duration;

use serve::wire::Connection;
use tokio::{
    io::{AsyncRead, Interest},
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout},
};

/// How much a client may send ahead while it waits; beyond this, its closing goes unnoticed.
const AHEAD_BYTES: usize = 64 * 1024;

/// The result of a wait.
#[derive(Debug)]
pub(super) struct Watched<T> {
    /// `None` if polis was asked to stop first.
    pub(super) output: Option<T>,
    /// The time since `begun` at which the client closed its side, if it did.
    pub(super) hung_up_after: Option<Duration>,
}

/// Runs `work` to its end while watching the connection.
pub(super) async fn watch<S: AsyncRead + Unpin, T>(
    connection: &mut Connection<S>,
    begun: Instant,
    stop: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Watched<T> {
    let mut work = std::pin::pin!(work);
    let mut hung_up_after = None;
    loop {
        let listening = hung_up_after.is_none() && connection.buffered().len() < AHEAD_BYTES;
        tokio::select! {
            biased;
            output = &mut work => return Watched { output: Some(output), hung_up_after },
            _ = stop.wait_for(|stop| *stop) => return Watched { output: None, hung_up_after },
            read = connection.fill(), if listening => {
                if !matches!(read, Ok(bytes) if bytes > 0) {
                    hung_up_after = Some(begun.elapsed());
                }
            }
        }
    }
}

/// Whether a client that closed its sending side is gone altogether: then writing to it leads to
/// an error. A client that only had nothing more to send has read its answer.
pub(super) async fn is_gone(stream: &TcpStream) -> bool {
    /// Longer than a round trip; only connections that are about to end wait this long.
    const RETURN_TIME: Duration = Duration::from_millis(300);
    timeout(RETURN_TIME, stream.ready(Interest::ERROR))
        .await
        .is_ok_and(|ready| ready.map_or(true, |ready| ready.is_error()))
}

/// Waits until the client hangs up, the longest wait is over or polis stops.
pub(super) async fn until_hang_up<S: AsyncRead + Unpin>(
    connection: &mut Connection<S>,
    begun: Instant,
    stop: &mut watch::Receiver<bool>,
) -> Option<Duration> {
    /// Longer than any sender's time limit, so that a forgotten connection is not kept forever.
    const LONGEST: Duration = Duration::from_secs(3600);
    let deadline = begun + LONGEST;
    loop {
        let ahead = connection.buffered().len();
        connection.consume(ahead);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return None,
            () = tokio::time::sleep_until(deadline) => return None,
            read = connection.fill() => {
                if !matches!(read, Ok(bytes) if bytes > 0) {
                    return Some(begun.elapsed());
                }
            }
        }
    }
}
