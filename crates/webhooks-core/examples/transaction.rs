//! The app's own row and its event in one commit: neither without the other.

use std::time::Duration;

use webhooks_core::{Event, TransactionError, Webhooks, testing::Receiver};

/// What can go wrong with a draw: the app's own error comes back as itself.
#[derive(Debug, thiserror::Error)]
enum DrawError {
    #[error("{0} is not for texting")]
    Unlucky(u16),
    #[error(transparent)]
    Store(#[from] TransactionError),
}

/// Stores a draw and sends its event, both or neither.
async fn draw(webhooks: &Webhooks, number: u16) -> Result<String, DrawError> {
    // ANCHOR: transaction
    webhooks
        .transaction(move |tx| {
            tx.execute("insert into draw (number) values (?1)", [number])?;
            let sent = tx.send("acme", Event::new("random_number:generate", &number))?;
            if number == 13 {
                return Err(DrawError::Unlucky(number));
            }
            Ok(sent.event_id)
        })
        .await
    // ANCHOR_END: transaction
}

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
        .transaction(|tx| tx.execute("create table draw (number integer not null)", []))
        .await?;

    println!("stored with its row: {}", draw(&webhooks, 7).await?);
    if let Err(refused) = draw(&webhooks, 13).await {
        println!("rolled back with its row: {refused}");
    }

    webhooks.flush(Duration::from_secs(10)).await?;
    println!("{} event arrived", receiver.requests().len());
    webhooks.shutdown(Duration::from_secs(10)).await;
    Ok(())
}
