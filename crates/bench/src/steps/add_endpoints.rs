//! Adds many endpoints, as users would.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Step;
use crate::{
    load::{Store, add_endpoint},
    receiver_process::ReceiverClient,
};

/// The number of callers that add endpoints at the same time, so that many share a commit.
const CALLERS: usize = 256;

/// Adds endpoints, one per customer, with the names that [`Sustained`](super::Sustained) expects.
#[derive(Serialize, Deserialize)]
pub(crate) struct AddEndpoints {
    pub(crate) store: Store,
    pub(crate) port: u16,
    pub(crate) name: String,
    pub(crate) count: usize,
}

impl Step for AddEndpoints {
    const NAME: &str = "add_endpoints";
    type Outcome = ();

    async fn run(self) -> anyhow::Result<()> {
        let receiver = ReceiverClient::new(self.port)?;
        let webhooks = self.store.open().await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..CALLERS {
            let (webhooks, receiver) = (webhooks.clone(), receiver.clone());
            let (next, name, count) = (Arc::clone(&next), self.name.clone(), self.count);
            callers.spawn(async move {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return anyhow::Ok(());
                    }
                    let customer = format!("{name}-{index}");
                    add_endpoint(&webhooks, &customer, receiver.url(&customer)).await?;
                }
            });
        }
        while let Some(done) = callers.join_next().await {
            done??;
        }
        webhooks.shutdown(Duration::from_secs(5)).await;
        Ok(())
    }
}
