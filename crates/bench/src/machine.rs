//! What the machine can do, measured in the same run: a bare reqwest loop, and durable commits.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use webhooks_core::{Secret, signature};

use crate::{child::ReceiverProcess, event::body};

/// Requests a second of a loop that signs and posts the same body, `in_flight` at once.
pub async fn bare_rate(
    receiver: &ReceiverProcess,
    in_flight: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    receiver.reset().await?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(in_flight)
        .tcp_nodelay(true)
        .build()?;
    let secret = Arc::new(Secret::generate());
    let number = Arc::new(AtomicU64::new(0));
    let end = Instant::now() + time;
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..in_flight {
        let (client, secret, number) = (client.clone(), Arc::clone(&secret), Arc::clone(&number));
        let url = reqwest::Url::parse(&receiver.url("bare"))?;
        tasks.spawn(async move {
            while Instant::now() < end {
                post(
                    &client,
                    &url,
                    &secret,
                    number.fetch_add(1, Ordering::Relaxed),
                )
                .await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let rate = number.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    Ok(rate)
}

async fn post(
    client: &reqwest::Client,
    url: &reqwest::Url,
    secret: &Secret,
    number: u64,
) -> anyhow::Result<()> {
    let id = format!("0190b5a4-0000-7000-8000-{number:012}");
    let body = body(&id, number);
    let timestamp_s = i64::try_from(crate::receiver::now_ns() / 1_000_000_000)?;
    let signature = signature::sign(
        std::slice::from_ref(secret),
        &id,
        timestamp_s,
        body.as_bytes(),
    );
    let response = client
        .post(url.clone())
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp_s)
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await?;
    response.error_for_status()?.bytes().await?;
    Ok(())
}

/// Commits a second of one small row each, with `synchronous=FULL`, one after the other.
pub fn commit_rate(folder: &Path, time: Duration) -> anyhow::Result<f64> {
    let connection = rusqlite::Connection::open(folder.join("commits.db")).context("commits.db")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("create table row (id integer primary key, text text)")?;
    let mut insert = connection
        .prepare("insert into row (text) values ('two hundred bytes would not change it')")?;
    let started = Instant::now();
    let mut commits = 0_u32;
    while started.elapsed() < time {
        insert.execute([])?;
        commits += 1;
    }
    Ok(f64::from(commits) / started.elapsed().as_secs_f64())
}
