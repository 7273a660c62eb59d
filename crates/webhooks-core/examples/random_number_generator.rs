//! The talk's first demo: draw a number and send it as a webhook.
//!
//! ```console
//! cargo run -p webhooks-core --example random_number_generator [URL …]
//! ```
//!
//! Without a URL it goes to http://localhost:9000, where polis or the texter listen.

use std::time::Duration;

use futures_util::StreamExt;
use webhooks_core::{ActivityKind, Event, NextStep, Outcome, Webhooks};

const CUSTOMER: &str = "random-number-generator";

#[tokio::main]
#[allow(clippy::print_stdout, clippy::print_stderr)] // A demo talks to whoever runs it.
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        urls.push("http://localhost:9000".to_owned());
    }
    // ANCHOR: generate
    // A demo's receivers are on this machine, which the default refuses.
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8", "::1/128"])?
        .open("sqlite::memory:")
        .await?;
    for url in &urls {
        webhooks.endpoints(CUSTOMER).add(url.as_str()).await?;
    }
    // ANCHOR_END: generate
    let mut activities = webhooks.subscribe();
    // ANCHOR: send
    let number: u32 = rand::random_range(0..1000);
    println!("{number}");
    webhooks
        .send(CUSTOMER, Event::new("random_number:generate", &number))
        .await?;
    // ANCHOR_END: send

    let mut failed = 0;
    let mut told = 0;
    while told < urls.len() {
        let Some(activity) = activities.next().await else {
            break;
        };
        let ActivityKind::Attempted { attempt, next } = activity.kind else {
            continue;
        };
        told += 1;
        match attempt.outcome {
            Outcome::Success => {
                eprintln!("delivered to {} in {:?}", activity.url, attempt.duration);
            }
            Outcome::Failure(failure) => {
                failed += 1;
                let then = if matches!(next, NextStep::RetryAt(_)) {
                    "; a program that stayed would try again"
                } else {
                    ""
                };
                eprintln!("not delivered to {}: {failure}{then}", activity.url);
            }
        }
    }
    webhooks.shutdown(Duration::from_secs(1)).await;
    if failed > 0 {
        return Err(format!(
            "{failed} of {} deliveries failed; is the receiver running?",
            urls.len()
        )
        .into());
    }
    Ok(())
}
