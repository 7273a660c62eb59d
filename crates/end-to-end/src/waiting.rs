//! Waiting for a condition, never for a time.

use std::{future::Future, time::Duration};

use anyhow::{Context, bail};
use tokio::time::{Instant, sleep};

/// Longer than anything that works takes, even on a busy machine: the third retry comes after half
/// a minute.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The wait between two checks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Calls `look` until it finds something, for at most `limit`.
///
/// # Errors
/// When the limit passes; the error names `what`, and why the last call found nothing.
pub async fn until<T, F>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        let error = match look().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            let waited = format!("waited {} s for {what}", limit.as_secs());
            return Err(error).context(waited);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// `Ok` when `found`; otherwise an error that shows what was there instead.
pub(crate) fn ensure(found: bool, instead: &str) -> anyhow::Result<()> {
    if !found {
        bail!("there is: {instead}");
    }
    Ok(())
}
