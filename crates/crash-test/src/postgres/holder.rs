//! A process that holds a lot, to see how others take it over: many endpoints, with the lanes of
//! every second one, and some events for each. On request it shuts down in an orderly way.

use std::{num::NonZeroU32, time::Duration};

use anyhow::{Context, bail};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinSet,
};
use webhooks_core::{Event, NewEndpoint, Webhooks};

use super::{line::Line, node};

/// The number of events for each endpoint: more than an endpoint has requests in flight, so that each has some that
/// wait.
pub const EVENTS: usize = 10;
/// One more endpoint, which is limited to [`LIMIT`] requests a second and to [`LIMITED_IN_FLIGHT`]
/// requests in flight.
pub const LIMITED: &str = "limited";
/// See [`LIMITED`].
pub const LIMIT: u32 = 50;
/// See [`LIMITED`].
pub const LIMITED_IN_FLIGHT: u32 = 5;
/// More than are sent before it ends.
const LIMITED_EVENTS: usize = 900;

/// What a holder works with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address of the Postgres database, as the engine takes it.
    pub database: String,
    /// Each endpoint has a path below this URL: its customer.
    pub receiver: String,
    /// The prefix of its customers' names.
    pub name: String,
    /// How many endpoints it adds.
    pub endpoints: usize,
}

/// Adds endpoints, sends, reports [`Line::Quiet`], and ends when it is told to.
///
/// # Errors
/// When the engine refuses something, or its input cannot be read.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&settings.database)
        .await?;
    let mut adding = JoinSet::new();
    for number in 0..settings.endpoints {
        let customer = format!("{}{number}", settings.name);
        let endpoint = NewEndpoint::new(format!("{}/{customer}", settings.receiver));
        let endpoint = endpoint.ordered(number % 2 == 1);
        let webhooks = webhooks.clone();
        adding.spawn(async move { webhooks.endpoints(&customer).add(endpoint).await });
    }
    while let Some(added) = adding.join_next().await {
        added??;
    }
    let customer = format!("{}-{LIMITED}", settings.name);
    let endpoint = NewEndpoint::new(format!("{}/{customer}", settings.receiver))
        .per_second(NonZeroU32::new(LIMIT).context("a limit of zero")?)
        .in_flight(LIMITED_IN_FLIGHT);
    webhooks.endpoints(&customer).add(endpoint).await?;
    let mut sending = JoinSet::new();
    for number in 0..settings.endpoints {
        let customer = format!("{}{number}", settings.name);
        sending.spawn(send(webhooks.clone(), customer, EVENTS));
    }
    sending.spawn(send(webhooks.clone(), customer, LIMITED_EVENTS));
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Line::Quiet.say();
    let mut told = BufReader::new(tokio::io::stdin()).lines();
    match told.next_line().await?.as_deref() {
        Some(node::STOP) => drop(webhooks.shutdown(Duration::ZERO).await),
        Some(other) => bail!("told {other:?}"),
        // The other process is gone.
        None => {}
    }
    Ok(())
}

async fn send(webhooks: Webhooks, customer: String, events: usize) -> anyhow::Result<()> {
    let events = (0..events).map(|number| {
        let id = format!("{customer}-{number}");
        Event::new("order:placed", &json!({ "number": number })).id(id)
    });
    webhooks.send_all(&customer, events).await?;
    Ok(())
}
