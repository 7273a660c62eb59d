//! Waiting until an engine has done what it can do now.

use crate::{
    store::{ask::Ask, error::StoreError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// Waits until nothing is in flight and nothing is due at the clock's present time, retention
    /// included: what is left waits for the clock to be moved, be it for a retry, a rate limit or
    /// the slower pace of an endpoint that fails at times.
    pub async fn drain(&self) {
        let shared = self.shared();
        loop {
            let idle = shared.memory.idle.notified();
            // Before the look and after it: what is let go of between the two can have made a lane
            // due that the look did not see, and what is taken up can have ended one that was.
            let held = shared.memory.held();
            let looked: Result<_, StoreError> = shared.queue.ask(Ask::NextDue).await;
            // A store that is closed delivers nothing more.
            let Ok((due, paced)) = looked else {
                return;
            };
            let waits = due.is_none_or(|at| at > shared.timeline.now());
            if held == paced && shared.memory.held() == paced && waits {
                match shared.queue.ask::<bool, StoreError>(Ask::Maintain).await {
                    Ok(true) => continue,
                    Ok(false) | Err(_) => return,
                }
            }
            if !waits {
                shared.due_by(shared.timeline.now());
                tokio::task::yield_now().await;
                continue;
            }
            idle.await;
        }
    }
}
