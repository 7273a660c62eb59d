//! The other side: a handler that runs only for what was really signed.
//!
//! ```console
//! WEBHOOK_SECRET=whsec_… cargo run -p webhooks-core --features receive --example receiver
//! ```
//!
//! It listens on port 9000 and answers as a receiver should: 204 for a number, 401 for what is
//! not signed with the secret.

use axum::{Router, http::StatusCode, routing::post};
use webhooks_core::{
    Secret,
    receive::{Verified, Verifier},
};

#[allow(clippy::print_stdout)] // A demo talks to whoever runs it.
// ANCHOR: receiver
async fn number(webhook: Verified<u32>) -> StatusCode {
    println!("{} happened: {}", webhook.event_type, webhook.data);
    StatusCode::NO_CONTENT
}

fn app(secret: Secret) -> Router {
    Router::new()
        .route("/", post(number))
        .with_state(Verifier::standard([secret]))
}
// ANCHOR_END: receiver

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = std::env::var("WEBHOOK_SECRET")
        .map_err(|_| "set WEBHOOK_SECRET to the endpoint's secret, whsec_…")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:9000").await?;
    axum::serve(listener, app(secret.parse()?)).await?;
    Ok(())
}
