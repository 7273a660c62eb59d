//! The bound of delivery: a loop that signs and posts the same body, and does nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use webhooks_core::{Secret, signature};

use super::Step;
use crate::{event::body, process::cpu_time, receiver::now_ns, receiver_process::ReceiverClient};

/// The bare loop, with `in_flight` requests at once.
#[derive(Serialize, Deserialize)]
pub(crate) struct Bare {
    pub(crate) port: u16,
    pub(crate) in_flight: usize,
    pub(crate) time: Duration,
}

/// The result of the bare loop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BareLoop {
    pub(crate) per_second: f64,
    pub(crate) cpu_us_per_request: f64,
}

impl Step for Bare {
    const NAME: &str = "bare";
    type Outcome = BareLoop;

    async fn run(self) -> anyhow::Result<BareLoop> {
        let receiver = ReceiverClient::new(self.port)?;
        receiver.reset().await?;
        let client = client(self.in_flight)?;
        let secret = Arc::new(Secret::generate());
        let url = reqwest::Url::parse(&receiver.url("bare"))?;
        let number = Arc::new(AtomicU64::new(0));
        let cpu_before = cpu_time();
        let started = Instant::now();
        let end = started + self.time;
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..self.in_flight {
            let (client, secret, url) = (client.clone(), Arc::clone(&secret), url.clone());
            let number = Arc::clone(&number);
            callers.spawn(async move {
                while Instant::now() < end {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    post(&client, &url, &secret, (number, now_ns())).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = callers.join_next().await {
            done??;
        }
        let count = number.load(Ordering::Relaxed) as f64;
        Ok(BareLoop {
            per_second: count / started.elapsed().as_secs_f64(),
            cpu_us_per_request: (cpu_time() - cpu_before).as_secs_f64() * 1e6 / count,
        })
    }
}

pub(super) fn client(connections: usize) -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(connections)
        .tcp_nodelay(true)
        .build()
}

/// Signs and posts one event, sent at this time in nanoseconds.
pub(super) async fn post(
    client: &reqwest::Client,
    url: &reqwest::Url,
    secret: &Secret,
    (number, at_ns): (u64, u64),
) -> anyhow::Result<()> {
    let id = format!("0190b5a4-0000-7000-8000-{number:012}");
    let body = body(&id, number, at_ns);
    let timestamp_s = i64::try_from(at_ns / 1_000_000_000)?;
    let secrets = std::slice::from_ref(secret);
    let signature = signature::sign(secrets, &id, timestamp_s, body.as_bytes());
    let response = client
        .post(url.clone())
        .header("content-type", "application/json")
        .header(signature::WEBHOOK_ID, id)
        .header(signature::WEBHOOK_TIMESTAMP, timestamp_s)
        .header(signature::WEBHOOK_SIGNATURE, signature)
        .body(body)
        .send()
        .await?;
    response.error_for_status()?.bytes().await?;
    Ok(())
}
