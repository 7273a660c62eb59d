//! How load is made: a closed loop as fast as it goes, an open loop at a fixed rate.

mod closed;
mod latencies;
mod open;

use std::path::Path;

use webhooks_core::{EndpointId, NewEndpoint, Webhooks};

pub(crate) use closed::{AHEAD, Closed, Order};
pub(crate) use latencies::{Latencies, median};
pub(crate) use open::open_loop;

use crate::receiver_process::ReceiverClient;

/// The engine as its users open it, but for loopback, which is refused by default.
pub(crate) async fn open_engine(file: &Path) -> anyhow::Result<Webhooks> {
    let address = format!("sqlite:{}", file.display());
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"])?;
    Ok(builder.open(&address).await?)
}

/// Adds endpoints at the receiver, one a customer. `name` begins the customers and paths: one
/// that was used before would give a customer two endpoints.
pub(crate) async fn add_endpoints(
    webhooks: &Webhooks,
    receiver: &ReceiverClient,
    name: &str,
    count: usize,
    ordered: bool,
) -> anyhow::Result<Vec<String>> {
    let mut customers = Vec::with_capacity(count);
    for index in 0..count {
        let customer = format!("{name}-{index}");
        let endpoint = NewEndpoint::new(receiver.url(&customer)).ordered(ordered);
        webhooks.endpoints(&customer).add(endpoint).await?;
        customers.push(customer);
    }
    Ok(customers)
}

/// Adds one endpoint of a customer at any URL.
pub(crate) async fn add_endpoint(
    webhooks: &Webhooks,
    customer: &str,
    url: String,
) -> anyhow::Result<EndpointId> {
    Ok(webhooks.endpoints(customer).add(url).await?.id)
}
