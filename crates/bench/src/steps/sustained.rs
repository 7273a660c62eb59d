//! Store → deliver → record, at full speed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Step;
use crate::{
    load::{Closed, ClosedLoop, Order, Store, add_endpoints},
    receiver_process::ReceiverClient,
};

/// A closed loop over endpoints that are added first, or over existing customers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sustained {
    pub(crate) store: Store,
    pub(crate) port: u16,
    /// The prefix of the customers' names.
    pub(crate) name: String,
    pub(crate) endpoints: usize,
    /// Whether they were added before, by [`AddEndpoints`](super::AddEndpoints).
    pub(crate) known: bool,
    pub(crate) order: Order,
    /// How many events may be stored but not yet have arrived.
    pub(crate) ahead: u64,
    pub(crate) time: Duration,
}

impl Step for Sustained {
    const NAME: &str = "sustained";
    type Outcome = Closed;

    async fn run(self) -> anyhow::Result<Closed> {
        let receiver = ReceiverClient::new(self.port)?;
        let webhooks = self.store.open().await?;
        let customers = if self.known {
            let numbers = 0..self.endpoints;
            numbers
                .map(|index| format!("{}-{index}", self.name))
                .collect()
        } else {
            let ordered = self.order == Order::Kept;
            add_endpoints(&webhooks, &receiver, &self.name, self.endpoints, ordered).await?
        };
        let closed = ClosedLoop {
            webhooks: &webhooks,
            store: &self.store,
            receiver: &receiver,
            customers,
            order: self.order,
            ahead: self.ahead,
            time: self.time,
        };
        let closed = closed.run().await?;
        webhooks.shutdown(Duration::from_secs(5)).await;
        Ok(closed)
    }
}
