//! The app's own row and its event in one commit: neither without the other.

use std::time::Duration;

use webhooks_core::{Event, TransactionError, Webhooks, testing::Receiver};

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let receiver = Receiver::start().await?;
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open("sqlite::memory:")
        .await?;
    webhooks.endpoints("acme").add(receiver.url()).await?;
    webhooks
        .transaction(|tx| Ok(tx.execute("create table draw (number integer not null)", [])?))
        .await?;

    // ANCHOR: transaction
    let sent = webhooks
        .transaction(|tx| {
            tx.execute("insert into draw (number) values (?1)", [7])?;
            Ok(tx.send("acme", Event::new("random_number:generate", &7))?)
        })
        .await?;
    // ANCHOR_END: transaction
    println!("stored with its row: {}", sent.event_id);

    let refused = webhooks
        .transaction(|tx| {
            tx.execute("insert into draw (number) values (?1)", [13])?;
            tx.send("acme", Event::new("random_number:generate", &13))?;
            Err::<(), _>(TransactionError::app("13 is not for texting"))
        })
        .await;
    println!(
        "rolled back with its row: {}",
        refused
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    );

    webhooks.drain().await;
    println!("{} event arrived", receiver.requests().len());
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
