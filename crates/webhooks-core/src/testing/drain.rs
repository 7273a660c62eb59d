//! Waiting until an engine has done what it can do now.

use crate::{
    Webhooks,
    engine::due_act,
    store::{retention, scan},
};

impl Webhooks {
    /// Waits until nothing is in memory and nothing is due at the clock's present time, retention
    /// included: what is left waits for the clock to be moved.
    pub async fn drain(&self) {
        let shared = self.shared();
        loop {
            let idle = shared.idle.notified();
            let due = due_act(shared, |context| scan::next_due(context.connection)).await;
            let waits = match due {
                Ok(due) => due.is_none_or(|at| at > shared.timeline.now()),
                // A store that is closed delivers nothing more.
                Err(_) => return,
            };
            if shared.held() == 0 && waits {
                match due_act(shared, retention::maintain).await {
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
