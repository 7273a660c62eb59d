//! Testing an app that sends webhooks: a receiver to script, a clock to move, no sleeping.

use std::{sync::Arc, time::Duration};

use webhooks_core::{
    DeliveryState, Event, Webhooks,
    testing::{ManualClock, Receiver},
};

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(ManualClock::default());
    let receiver = Receiver::start().await?;
    receiver.respond([500, 503, 200]);
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .clock(clock.clone())
        .open("sqlite::memory:")
        .await?;
    webhooks.endpoints("acme").add(receiver.url()).await?;

    let sent = webhooks
        .send("acme", Event::new("random_number:generate", &863))
        .await?;
    webhooks.drain().await;
    for wait in [Duration::from_secs(6), Duration::from_secs(331)] {
        clock.advance(wait);
        webhooks.drain().await;
    }
    let delivery = webhooks.deliveries("acme", &sent.event_id).await?.remove(0);
    for attempt in &delivery.attempts {
        println!("attempt {}: {:?}", attempt.number, attempt.outcome);
    }
    println!(
        "delivered: {}",
        matches!(delivery.state, DeliveryState::Delivered { .. })
    );
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
