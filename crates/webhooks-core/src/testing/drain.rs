//! Waiting until an engine has done what it can do now.

use crate::{
    engine::due::act,
    store::sqlite::{retention, scan},
    webhooks::Webhooks,
};

impl Webhooks {
    /// Waits until nothing is in flight and nothing is due at the clock's present time, retention
    /// included: what is left waits for the clock to be moved, be it for a retry, a rate limit or
    /// the slower pace of an endpoint that fails at times.
    pub async fn drain(&self) {
        let shared = self.shared();
        loop {
            let idle = shared.idle.notified();
            // Before the look and after it: what is let go of between the two can have made a lane
            // due that the look did not see, and what is taken up can have ended one that was.
            let held = shared.held();
            let looked = act(shared, |context| {
                let due = scan::next_due(context.connection)?;
                Ok((due, context.endpoints.waits_for_clock()))
            });
            // A store that is closed delivers nothing more.
            let Ok((due, paced)) = looked.await else {
                return;
            };
            let waits = due.is_none_or(|at| at > shared.timeline.now());
            if held == paced && shared.held() == paced && waits {
                match act(shared, retention::maintain).await {
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
