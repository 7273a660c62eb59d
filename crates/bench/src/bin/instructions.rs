//! The program whose instructions `tests/it/instructions.rs` has callgrind count: does one thing a
//! given number of times.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::{Router, http::StatusCode};
use tokio::net::TcpListener;
use webhooks_core::{Event, NewEndpoint, Secret, Webhooks, signature};

/// About the size of the benchmark's bodies.
const BODY: [u8; 200] = [b'x'; 200];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// How long the requests may take under callgrind.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().context("what: sign, store or request")?;
    let count = arguments.next().context("how many times")?;
    let count: u32 = count.parse().context(count)?;
    match what.as_str() {
        "sign" => sign(count),
        "store" => store(count).await,
        "request" => request(count).await,
        _ => bail!("{what:?} is not known: use sign, store or request"),
    }
}

fn sign(count: u32) -> anyhow::Result<()> {
    let secrets: [Secret; 1] = [SECRET.parse()?];
    for number in 0..count {
        let value = signature::sign(&secrets, "evt_1", i64::from(number), &BODY);
        std::hint::black_box(value);
    }
    Ok(())
}

fn event(number: u32) -> Event {
    let data = (number, "x".repeat(BODY.len()));
    // The engine's own ids are random, and so would be their positions in the index.
    Event::new("bench:instructions", &data).id(format!("evt_{number:06}"))
}

async fn open(folder: &tempfile::TempDir) -> anyhow::Result<Webhooks> {
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"])?;
    let address = format!("sqlite:{}", folder.path().join("webhooks.db").display());
    Ok(builder.open(&address).await?)
}

/// Sends to a paused endpoint: an event and a delivery each, and no request.
async fn store(count: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let webhooks = open(&folder).await?;
    let endpoint = NewEndpoint::new("http://127.0.0.1:9/");
    let added = webhooks.endpoints("acme").add(endpoint).await?;
    webhooks.endpoints("acme").pause(&added.id).await?;
    for number in 0..count {
        webhooks.send("acme", event(number)).await?;
    }
    webhooks.shutdown(Duration::ZERO).await;
    Ok(())
}

/// Sends to a receiver in this process, which callgrind does not count.
async fn request(count: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/hooks", listener.local_addr()?);
    let receiver = Router::new().fallback(|| async { StatusCode::NO_CONTENT });
    tokio::spawn(axum::serve(listener, receiver).into_future());
    let webhooks = open(&folder).await?;
    webhooks.endpoints("acme").add(url).await?;
    webhooks.send_all("acme", (0..count).map(event)).await?;
    webhooks.flush(FLUSH_LIMIT).await?;
    webhooks.shutdown(FLUSH_LIMIT).await;
    Ok(())
}
