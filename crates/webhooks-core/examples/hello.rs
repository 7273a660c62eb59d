//! The smallest program: open, add an endpoint, send.
//!
//! It starts a receiver of its own, so that it runs anywhere.

use std::time::Duration;

use webhooks_core::{Event, Webhooks, testing::Receiver};

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let receiver = Receiver::start().await?;
    let folder = tempfile::tempdir()?;
    let store = format!("sqlite:{}", folder.path().join("webhooks.db").display());

    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&store)
        .await?;
    webhooks.endpoints("acme").add(receiver.url()).await?;
    webhooks
        .send("acme", Event::new("random_number:generate", &863))
        .await?;

    let request = &receiver.wait_for(1).await[0];
    println!("{}", String::from_utf8_lossy(&request.body));
    println!("webhook-signature: {}", request.header("webhook-signature"));
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
