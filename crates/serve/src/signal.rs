//! Waiting until the program is asked to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at the first SIGTERM or Ctrl-C.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Like [`stop_signal`], for a program that ends then. When signals can't be caught, that is
/// logged, and the program stops at once.
pub async fn stop_requested() {
    if let Err(error) = stop_signal().await {
        tracing::error!(%error, "stopping: signals can't be caught");
    }
}
