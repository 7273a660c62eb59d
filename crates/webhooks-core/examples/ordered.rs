//! An ordered endpoint: one event at a time, and a blocked head that is seen and skipped.

use std::time::Duration;

use webhooks_core::{Event, NewEndpoint, Webhooks, testing::Receiver};

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let receiver = Receiver::start().await?;
    receiver.respond_to("second", [500]);
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open("sqlite::memory:")
        .await?;
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    let id = webhooks.endpoints("acme").add(endpoint).await?.id;

    for event in ["first", "second", "third"] {
        webhooks
            .send("acme", Event::new("random_number:generate", &1).id(event))
            .await?;
    }
    webhooks.drain().await;
    println!("arrived: {:?}", receiver.event_ids());
    println!("third: {}", webhooks.explain("acme", "third", &id).await?);

    let skipped = webhooks.endpoints("acme").skip(&id).await?;
    webhooks.drain().await;
    println!(
        "skipped {}; arrived: {:?}",
        skipped.unwrap_or_default(),
        receiver.event_ids()
    );
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
