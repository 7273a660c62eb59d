//! An engine that owns ordered endpoints to which others send.

use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use super::Step;
use crate::{
    event::event,
    load::{Store, add_endpoints},
    receiver::now_ns,
    receiver_process::ReceiverClient,
};

/// Adds ordered endpoints, with the names that [`Sustained`](super::Sustained) expects, and
/// delivers their events until it is killed.
#[derive(Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) store: Store,
    pub(crate) port: u16,
    /// The prefix of the customers' names.
    pub(crate) name: String,
    pub(crate) endpoints: usize,
}

impl Owner {
    /// Starts it in its own process, which ends when the returned value is dropped, and waits until
    /// it has delivered something.
    pub(crate) async fn start(&self) -> anyhow::Result<Child> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let child = Command::new(std::env::current_exe()?)
            .args(["step", Self::NAME, &serde_json::to_string(self)?])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        receiver.wait_for_first().await?;
        Ok(child)
    }
}

impl Step for Owner {
    const NAME: &str = "owner";
    type Outcome = ();

    async fn run(self) -> anyhow::Result<()> {
        let receiver = ReceiverClient::new(self.port)?;
        let webhooks = self.store.open().await?;
        let customers =
            add_endpoints(&webhooks, &receiver, &self.name, self.endpoints, true).await?;
        for customer in customers.iter().take(1) {
            webhooks.send(customer, event(0, now_ns())).await?;
        }
        std::future::pending().await
    }
}
