//! The receiver's process, seen from the benchmark.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::Context;

use crate::receiver::Report;

/// Killed when it is dropped.
pub struct ReceiverProcess {
    child: Child,
    port: u16,
    client: reqwest::Client,
}

impl ReceiverProcess {
    pub fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg("receiver")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("the receiver has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line
            .trim()
            .parse()
            .with_context(|| format!("the receiver said {line:?} instead of its port"))?;
        Ok(Self {
            child,
            port,
            client: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub async fn reset(&self) -> anyhow::Result<()> {
        self.client
            .post(self.url("reset"))
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    pub async fn report(&self) -> anyhow::Result<Report> {
        let bytes = self
            .client
            .get(self.url("report"))
            .send()
            .await?
            .bytes()
            .await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    pub async fn count(&self) -> anyhow::Result<u64> {
        Ok(self
            .client
            .get(self.url("count"))
            .send()
            .await?
            .text()
            .await?
            .parse()?)
    }
}

impl Drop for ReceiverProcess {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
