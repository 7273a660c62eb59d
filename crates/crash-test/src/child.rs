//! The process that is killed: an engine on a file, under load.
//!
//! It prints `sending <id>` before it sends and `stored <id>` once `send` has returned. In its last
//! life it sends nothing, prints `drained` once no delivery is pending, and stops.

use std::time::Duration;

use anyhow::Context;
use webhooks_core::{Event, NewEndpoint, Webhooks};

/// Customers, each with one endpoint: the second one's is ordered.
pub const CUSTOMERS: [&str; 2] = ["plain", "ordered"];
/// Callers of `send` for the customer whose events need no order.
const PLAIN_CALLERS: usize = 6;

/// Runs until it is killed, or until it has drained.
///
/// # Errors
/// When the store cannot be opened, or refuses an event.
pub async fn run(file: &str, receiver: &str, life: u32, last: bool) -> anyhow::Result<()> {
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&format!("sqlite:{file}"))
        .await?;
    for customer in CUSTOMERS {
        let endpoints = webhooks.endpoints(customer);
        if endpoints.list().await?.is_empty() {
            let endpoint = NewEndpoint::new(format!("{receiver}/{customer}"));
            endpoints
                .add(endpoint.ordered(customer == "ordered"))
                .await?;
        }
    }
    if last {
        while webhooks.pending().await? > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        say("drained");
        webhooks.shutdown(Duration::from_secs(5)).await;
        return Ok(());
    }
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..PLAIN_CALLERS {
        callers.spawn(send_on(
            webhooks.clone(),
            CUSTOMERS[0],
            format!("p{life}-{caller}"),
        ));
    }
    callers.spawn(send_on(webhooks, CUSTOMERS[1], format!("o{life}-0")));
    callers.join_next().await.context("no caller")??
}

async fn send_on(webhooks: Webhooks, customer: &'static str, prefix: String) -> anyhow::Result<()> {
    for number in 0_u64.. {
        let id = format!("{prefix}-{number}");
        say(&format!("sending {id}"));
        webhooks
            .send(
                customer,
                Event::new("random_number:generate", &number).id(&id),
            )
            .await?;
        say(&format!("stored {id}"));
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // The parent reads it.
fn say(line: &str) {
    println!("{line}");
}
