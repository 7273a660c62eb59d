//! The receiver's process, as the benchmark sees it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use crate::receiver::Report;

/// How long sent deliveries may take to arrive before they count as lost.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(60);

/// Dropping this value kills the process.
pub(crate) struct ReceiverProcess {
    child: Child,
    port: u16,
}

impl ReceiverProcess {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("receiver")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the receiver has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line
            .trim()
            .parse()
            .with_context(|| format!("the receiver printed {line:?} instead of its port"))?;
        Ok(Self { child, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for ReceiverProcess {
    fn drop(&mut self) {
        // It may already be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a receiver what has arrived.
#[derive(Clone)]
pub(crate) struct ReceiverClient {
    port: u16,
    client: reqwest::Client,
}

impl ReceiverClient {
    pub(crate) fn new(port: u16) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { port, client })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) async fn reset(&self) -> anyhow::Result<()> {
        let answer = self.client.post(self.url("reset")).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    pub(crate) async fn report(&self) -> anyhow::Result<Report> {
        let answer = self.client.get(self.url("report")).send().await?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    /// The number of requests that have arrived.
    pub(crate) async fn count(&self) -> anyhow::Result<u64> {
        let answer = self.client.get(self.url("count")).send().await?;
        Ok(answer.text().await?.parse()?)
    }

    /// Waits until this many requests have arrived, but at most [`ARRIVAL_LIMIT`]: what is missing
    /// then is lost, as the report shows.
    pub(crate) async fn wait_for(&self, count: u64) -> anyhow::Result<()> {
        let end = Instant::now() + ARRIVAL_LIMIT;
        while self.count().await? < count && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Like [`ReceiverClient::wait_for`], for requests whose latency is measured.
    pub(crate) async fn wait_for_timed(&self, count: u64) -> anyhow::Result<()> {
        let end = Instant::now() + ARRIVAL_LIMIT;
        loop {
            let answer = self.client.get(self.url("timed")).send().await?;
            let arrived: u64 = answer.text().await?.parse()?;
            if arrived >= count || Instant::now() >= end {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the first request has arrived.
    pub(crate) async fn wait_for_first(&self) -> anyhow::Result<()> {
        let end = Instant::now() + ARRIVAL_LIMIT;
        while self.count().await? == 0 {
            ensure!(Instant::now() < end, "nothing arrived at the receiver");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}
