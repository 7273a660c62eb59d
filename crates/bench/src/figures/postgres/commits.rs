//! The server's own bound: commits of one small row each, by pgbench, which comes with PostgreSQL.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::process::Command;

use crate::{figures::bench::Bench, load::Latencies};

const TABLE: &str = "create table commit_row (id int8 generated always as identity primary key, text text not null)";
const INSERT: &str =
    "insert into commit_row (text) values ('two hundred bytes would not change it');\n";

/// The results of pgbench's clients, each of which makes one transaction after another.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Commits {
    pub(super) per_second: f64,
    /// The time of each transaction, if there was one client.
    #[serde(skip)]
    pub(super) times: Latencies,
}

impl Commits {
    /// The rate of `clients`, each of which commits as fast as it can.
    pub(super) async fn as_many(
        bench: &Bench<'_>,
        clients: usize,
        time: Duration,
    ) -> anyhow::Result<Self> {
        Self::measure(bench, clients, time, None).await
    }

    /// The times of a lone client that makes `per_second` commits, while something else is
    /// measured. They count from when each commit was due to begin, so that a stall counts for the
    /// commits after it, too.
    pub(super) async fn at(
        bench: &Bench<'_>,
        per_second: u32,
        time: Duration,
    ) -> anyhow::Result<Self> {
        Self::measure(bench, 1, time, Some(per_second)).await
    }

    /// Measures in an empty database of the bench's server.
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
            .with_context(|| format!("pgbench printed {said:?}"))?
            .parse()?;
        let mut times = Vec::new();
        for entry in std::fs::read_dir(folder.path())? {
            let path = entry?.path();
            if path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"times"))
            {
                // The client, the transaction's number, its time in microseconds, and more.
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
