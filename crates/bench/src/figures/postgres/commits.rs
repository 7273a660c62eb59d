//! The server's own bound: commits of one small row each, by pgbench, which comes with PostgreSQL.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::process::Command;

use crate::{figures::bench::Bench, load::Latencies};

const TABLE: &str = "create table commit_row (id int8 generated always as identity primary key, text text not null)";
const INSERT: &str =
    "insert into commit_row (text) values ('two hundred bytes would not change it');\n";

/// What pgbench's clients came to, each with one transaction after the other.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Commits {
    pub(super) per_second: f64,
    /// Of each transaction, where there was one client.
    #[serde(skip)]
    pub(super) times: Latencies,
}

impl Commits {
    /// As many as `clients` make, each as fast as it may.
    pub(super) async fn as_many(
        bench: &Bench<'_>,
        clients: usize,
        time: Duration,
    ) -> anyhow::Result<Self> {
        Self::measure(bench, clients, time, None).await
    }

    /// `per_second` of a lone client, beside something else that is measured. Times count from
    /// when each was meant to begin, so that what held one up counts for those after it too.
    pub(super) async fn at(
        bench: &Bench<'_>,
        per_second: u32,
        time: Duration,
    ) -> anyhow::Result<Self> {
        Self::measure(bench, 1, time, Some(per_second)).await
    }

    /// In an empty database of the bench's server.
    async fn measure(
        bench: &Bench<'_>,
        clients: usize,
        time: Duration,
        per_second: Option<u32>,
    ) -> anyhow::Result<Self> {
        let fresh = bench.fresh("commits")?;
        let url = fresh.store.address();
        scratch_postgres::query(&url, TABLE)?;
        let folder = tempfile::tempdir_in(bench.folder())?;
        let script = folder.path().join("insert.sql");
        std::fs::write(&script, INSERT)?;
        let mut pgbench = Command::new(scratch_postgres::program("pgbench")?);
        pgbench
            .current_dir(folder.path())
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--client={clients}"))
            .arg(format!("--jobs={}", clients.min(2)))
            .arg(format!("--time={}", time.as_secs().max(1)))
            .arg("--file=insert.sql");
        if let Some(rate) = per_second {
            pgbench.arg(format!("--rate={rate}"));
        }
        if clients == 1 {
            pgbench.args(["--log", "--log-prefix=times"]);
        }
        let output = pgbench.arg(&url).kill_on_drop(true).output().await?;
        ensure!(
            output.status.success(),
            "pgbench: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8(output.stdout)?;
        let per_second = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = "))
            .and_then(|rest| rest.split_whitespace().next())
            .with_context(|| format!("pgbench said {said:?}"))?
            .parse()?;
        let mut times = Vec::new();
        for entry in std::fs::read_dir(folder.path())? {
            let path = entry?.path();
            if path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"times"))
            {
                // A client, the transaction's number, its time in microseconds, and more.
                for line in std::fs::read_to_string(&path)?.lines() {
                    let us = line.split_whitespace().nth(2);
                    times.push(us.context("a line of pgbench's log")?.parse()?);
                }
            }
        }
        Ok(Self {
            per_second,
            times: Latencies::new(times),
        })
    }
}
