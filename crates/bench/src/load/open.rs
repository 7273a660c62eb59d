//! The open loop: events at fixed times, whether or not the earlier ones are done.
//!
//! Each event carries the time at which it was due to be sent, and its latency counts from there: a
//! stall that delays the sender counts for every event that it delayed (no coordinated omission).

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{runtime::Handle, sync::mpsc};
use webhooks_core::Webhooks;

use crate::{event::event, receiver::now_ns};

/// Sends `per_second` events a second to one customer for `time`. Returns the number of events.
pub(crate) async fn open_loop(
    webhooks: &Webhooks,
    customer: &str,
    per_second: u64,
    time: Duration,
) -> anyhow::Result<u64> {
    let (webhooks, customer) = (webhooks.clone(), Arc::<str>::from(customer));
    paced(per_second, time, move |number, at| {
        let (webhooks, customer) = (webhooks.clone(), Arc::clone(&customer));
        async move {
            webhooks.send(&customer, event(number, at)).await?;
            Ok(())
        }
    })
    .await
}

/// Calls `send` with the number of each event and its time, `per_second` times a second for `time`. Returns the number
/// of events.
pub(crate) async fn paced<F>(
    per_second: u64,
    time: Duration,
    send: impl Fn(u64, u64) -> F + Send + 'static,
) -> anyhow::Result<u64>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let count = per_second * time.as_secs();
    let runtime = Handle::current();
    // Does not keep a handle for each send in progress: there are millions in ten minutes.
    let (failed, mut failures) = mpsc::unbounded_channel();
    // Uses its own thread: the runtime's timers have a resolution of a millisecond.
    let pace = move || {
        let start = now_ns();
        for number in 0..count {
            let at = start + number * 1_000_000_000 / per_second;
            let wait = at.saturating_sub(now_ns());
            if wait > 0 {
                std::thread::sleep(Duration::from_nanos(wait));
            }
            let (sent, failed) = (send(number, at), failed.clone());
            runtime.spawn(async move {
                if let Err(error) = sent.await {
                    // Nobody may be listening any more: the first error is enough.
                    let _ = failed.send(error);
                }
            });
        }
    };
    let pace = std::thread::Builder::new()
        .name("pace".to_owned())
        .spawn(pace)?;
    let joined = tokio::task::spawn_blocking(move || pace.join()).await?;
    joined.ok().context("the pacing thread panicked")?;
    // Each send in progress holds a sender of this channel.
    match failures.recv().await {
        Some(error) => Err(error),
        None => Ok(count),
    }
}
