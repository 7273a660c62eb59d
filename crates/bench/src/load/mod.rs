//! How load is generated: a closed loop at full speed, an open loop at a fixed rate.

mod closed;
mod latencies;
mod open;
mod store;

use webhooks_core::{EndpointId, NewEndpoint, Webhooks};

pub(crate) use closed::{AHEAD, Closed, ClosedLoop, Order};
pub(crate) use latencies::{Latencies, median};
pub(crate) use open::{open_loop, paced};
pub(crate) use store::Store;

use crate::receiver_process::ReceiverClient;

/// Adds endpoints at the receiver, one per customer. The customers and paths begin with `name`,
/// which must be new: otherwise a customer would have two endpoints.
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

/// Adds one endpoint for a customer, at any URL.
pub(crate) async fn add_endpoint(
    webhooks: &Webhooks,
    customer: &str,
    url: String,
) -> anyhow::Result<EndpointId> {
    Ok(webhooks.endpoints(customer).add(url).await?.id)
}
