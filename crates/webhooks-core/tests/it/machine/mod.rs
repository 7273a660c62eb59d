//! What this machine cannot do is not the receivers' failure: no attempt is spent, nobody is
//! blamed, and when it can again every delivery arrives.
//!
//! Each test runs the test named `child` beside it in a process with limits of its own.
#![cfg(all(feature = "testing", target_os = "linux"))]
#![allow(clippy::print_stdout)]

mod files;
mod network;

use std::{net::SocketAddr, process::Command, sync::Arc};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use webhooks_core::{Builder, Delivery, DeliveryState, Event, Webhooks};

use crate::world::{World, server::listen};

/// Tells a child where its databases are, one for each of its engines; a space between two.
const DATABASES: &str = "DATABASES_OF_THE_CHILD";

/// What the log says when the engine begins to wait, and when it goes on.
const WAITS: &str = "this machine cannot make requests";
const GOES_ON: &str = "this machine can make requests again";

/// Answers every request at every address of this machine, and keeps the connections.
async fn receiver() -> SocketAddr {
    let listener = listen([0, 0, 0, 0]);
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.unwrap_or(0) > 0 {
                    let answer = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                    if answer.await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// In a child: an engine on the first of its databases.
async fn world() -> World {
    world_on(0, |builder| builder).await
}

async fn world_on(at: usize, change: impl FnOnce(Builder) -> Builder) -> World {
    let addresses = std::env::var(DATABASES).unwrap();
    let address = addresses.split(' ').nth(at).unwrap();
    World::open(Arc::default(), address, change).await
}

/// Sends one event to the customer's only endpoint; returns its id.
async fn send_one(webhooks: &Webhooks, customer: &str) -> String {
    let event = Event::new("random_number:generate", &1);
    webhooks.send(customer, event).await.unwrap().event_id
}

async fn delivery(webhooks: &Webhooks, customer: &str, event_id: &str) -> Delivery {
    let mut deliveries = webhooks.deliveries(customer, event_id).await.unwrap();
    deliveries.remove(0)
}

/// Arrived with its first attempt.
fn is_delivered_at_once(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Delivered { .. }) && delivery.attempts.len() == 1
}

/// This program again, to run one of its tests.
fn this_test(name: &str) -> Vec<String> {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", name, "--ignored", "--nocapture"].map(str::to_owned);
    std::iter::once(program.display().to_string())
        .chain(arguments)
        .collect()
}

/// Runs it until it says that it is through.
fn expect_through(mut command: Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && said.contains("all arrived"),
        "{said}"
    );
}
