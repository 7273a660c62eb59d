//! A backlog: pending deliveries to endpoints that refuse connections.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use webhooks_core::SEND_ALL_MAX;

use super::Step;
use crate::{
    event::event,
    load::{Store, add_endpoint},
    process::peak_bytes,
    receiver::now_ns,
};

/// The first port to try: below the ports that the system assigns to outgoing connections, one of
/// which would now and then connect to itself.
const FIRST_PORT: u16 = 10_000;

/// Sends events to endpoints that refuse connections, one per customer, as a user would, and ends
/// without a shutdown.
#[derive(Serialize, Deserialize)]
pub(crate) struct BuildBacklog {
    pub(crate) store: Store,
    pub(crate) endpoints: usize,
    pub(crate) deliveries: usize,
}

/// The result of building it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Backlog {
    /// Pending deliveries.
    pub(crate) owed: u64,
    pub(crate) peak_bytes: u64,
}

impl Step for BuildBacklog {
    const NAME: &str = "backlog";
    type Outcome = Backlog;

    async fn run(self) -> anyhow::Result<Backlog> {
        let webhooks = self.store.open().await?;
        let ports = refusing_ports(self.endpoints)?;
        let customers: Vec<String> = (0..self.endpoints).map(|n| format!("dead-{n}")).collect();
        for (customer, port) in customers.iter().zip(ports) {
            add_endpoint(&webhooks, customer, format!("http://127.0.0.1:{port}/")).await?;
        }
        let each = self.deliveries / self.endpoints;
        let mut sent = 0;
        while sent < each {
            let count = (each - sent).min(SEND_ALL_MAX);
            for customer in &customers {
                let numbers = sent..sent + count;
                let events = numbers.map(|number| event(number as u64, now_ns()));
                webhooks.send_all(customer, events).await?;
            }
            sent += count;
        }
        let owed = webhooks.pending().await?;
        // Runs no destructor and no shutdown: this leaves a write-ahead log and claims behind, as a
        // crash would, and the next start has to recover.
        std::mem::forget(webhooks);
        Ok(Backlog {
            owed,
            peak_bytes: peak_bytes()?,
        })
    }
}

/// Ports of this machine on which nothing listens.
pub(crate) fn refusing_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let refuses = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err();
    let ports: Vec<u16> = (FIRST_PORT..32_000).filter(refuses).take(count).collect();
    ensure!(
        ports.len() == count,
        "{count} ports on which nothing listens are needed; {} were found",
        ports.len()
    );
    Ok(ports)
}
