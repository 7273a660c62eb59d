//! Waiting until an engine has done everything that it can do now.

use crate::{
    store::{ask::Ask, error::StoreError},
    webhooks::Webhooks,
};

impl Webhooks {
    /// Waits until nothing is in flight and nothing is due at the clock's current time, retention included.
    /// Whatever is left needs the clock to be moved: for a retry, for a rate limit, or for the slower pace of an
    /// endpoint that fails from time to time.
    pub async fn drain(&self) {
        let shared = self.shared();
        loop {
            let idle = shared.memory.idle.notified();
            // Counted before and after the query: a delivery that is released between the two may have made a lane
            // due that the query did not see, and a delivery that is claimed may have emptied a lane that was due.
            let held = shared.memory.held();
            let looked: Result<_, StoreError> = shared.queue.ask(Ask::NextDue).await;
            // A closed store delivers nothing more.
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
