//! Minutes of steady load while a snapshot is held open, as by a report or a backup: nothing that
//! is deleted meanwhile can be vacuumed, and no scan may read more and more of it.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::Serialize;

use super::table::Tables;
use crate::{
    figures::bench::Bench,
    load::{AHEAD, Closed, Order, Store, median},
    report::{Check, Table, ms, rate},
    steps::{Soak, Soaked, Sustained, in_own_process},
};

/// Events a second.
const PER_SECOND: u64 = 5_000;
const PER_SECOND_SHORT: u64 = 1_000;
/// The minimum fraction of the rate without it.
const RATIO_MIN: f64 = 0.7;
/// The most index entries that a scan may read: those of a lane's load, and some thousands of dead
/// ones.
const ENTRIES_MAX: f64 = 5_000.0;
/// How often the server is asked what its scans have read.
const LOOK_WAIT: Duration = Duration::from_secs(60);

/// The indexes that are used to find what is due, and how much has been read of each.
#[derive(Debug, Clone, Default, Serialize)]
struct Scans(Vec<Scan>);

#[derive(Debug, Clone, Default, Serialize)]
struct Scan {
    index: String,
    scans: f64,
    entries: f64,
    pages: f64,
}

impl Scans {
    fn so_far(url: &str) -> anyhow::Result<Self> {
        let figures = scratch_postgres::query(
            url,
            "select indexrelname, idx_scan, idx_tup_read, idx_blks_hit + idx_blks_read
             from pg_stat_user_indexes join pg_statio_user_indexes using (indexrelid, indexrelname)
             where indexrelname ~ '^(delivery_due|delivery_lane|lane_due)' order by indexrelname",
        )?;
        let scans = figures.lines().map(|line| {
            let mut columns = line.split('|');
            let index = columns.next().unwrap_or_default().to_owned();
            let numbers: Vec<f64> = columns.map(str::parse).collect::<Result<_, _>>()?;
            let [scans, entries, pages] = numbers[..] else {
                anyhow::bail!("unexpected statistics of an index: {line:?}");
            };
            Ok(Scan {
                index,
                scans,
                entries,
                pages,
            })
        });
        Ok(Self(scans.collect::<Result<_, _>>()?))
    }

    /// What was read since `before`.
    fn since(&self, before: &Self) -> Self {
        let both = self.0.iter().zip(&before.0);
        Self(
            both.map(|(now, before)| Scan {
                index: now.index.clone(),
                scans: now.scans - before.scans,
                entries: now.entries - before.entries,
                pages: now.pages - before.pages,
            })
            .collect(),
        )
    }
}

impl Scan {
    fn pages_a_scan(&self) -> f64 {
        self.pages / self.scans.max(1.0)
    }

    fn entries_a_scan(&self) -> f64 {
        self.entries / self.scans.max(1.0)
    }
}

/// A transaction that sees the database as it was, until this value is dropped.
struct Snapshot {
    child: Child,
    _stdin: ChildStdin,
}

impl Snapshot {
    fn hold(url: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(scratch_postgres::program("psql")?)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("psql has no input")?;
        stdin
            .write_all(b"begin isolation level repeatable read; select pg_current_snapshot();\n")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("psql has no output")?).read_line(&mut line)?;
        Ok(Self {
            child,
            _stdin: stdin,
        })
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // It may already be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Locks of several transactions on one row, as counted by the server since it started.
fn multixacts(url: &str) -> anyhow::Result<u64> {
    scratch_postgres::query(url, "checkpoint")?;
    let next = "select next_multixact_id from pg_control_checkpoint()";
    Ok(scratch_postgres::query(url, next)?.parse()?)
}

pub(super) async fn measure(bench: &Bench<'_>, tables: &mut Tables) -> anyhow::Result<()> {
    let fresh = bench.fresh("snapshot")?;
    let url = fresh.store.address();
    // Creates the tables before the snapshot is taken.
    sustained(bench, &fresh.store, "before").await?;
    let snapshot = Snapshot::hold(&url)?;
    let multixacts_before = multixacts(&url)?;
    let time = bench.settings.snapshot();
    let per_second = if bench.settings.is_short() {
        PER_SECOND_SHORT
    } else {
        PER_SECOND
    };
    let soak = Soak {
        store: fresh.store.clone(),
        port: bench.port(),
        per_second,
        time,
    };
    let mut looks = vec![Scans::so_far(&url)?];
    let soaking = in_own_process(&soak);
    tokio::pin!(soaking);
    let began = Instant::now();
    let soaked: Soaked = loop {
        tokio::select! {
            soaked = &mut soaking => break soaked?,
            () = tokio::time::sleep(LOOK_WAIT.min(time / 2)), if began.elapsed() < time => {
                looks.push(Scans::so_far(&url)?);
            }
        }
    };
    let multixacts = multixacts(&url)? - multixacts_before;
    let dead = "select n_dead_tup from pg_stat_user_tables where relname = 'delivery'";
    let dead: u64 = scratch_postgres::query(&url, dead)?.parse()?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..bench.settings.rounds() {
        let other = bench.fresh(&format!("without-snapshot-{round}"))?;
        without.push(sustained(bench, &other.store, "without").await?);
        with.push(sustained(bench, &fresh.store, &format!("with-{round}")).await?);
    }
    drop(snapshot);
    let of = |runs: &[Closed], of: fn(&Closed) -> f64| median(runs.iter().map(of));
    let rates = [&without, &with].map(|runs| of(runs, |run| run.per_second));
    let ratio = rates[1] / rates[0];
    let wrong = soaked.lost + soaked.duplicates;
    tables.checks.extend([
        Check::new(
            "snapshot held open: part of the rate without, after it",
            format!("≥ {RATIO_MIN}"),
            format!("{ratio:.2}"),
            ratio >= RATIO_MIN,
        ),
        Check::new(
            "snapshot held open: lost or duplicated",
            "0",
            wrong.to_string(),
            wrong == 0,
        ),
    ]);
    // The last minute of the steady load, and the first.
    let first = looks
        .get(1)
        .zip(looks.first())
        .map(|(now, before)| now.since(before));
    let last = looks
        .last()
        .zip(looks.iter().rev().nth(1))
        .map(|(now, before)| now.since(before));
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let mut rows = Vec::new();
    for (first, last) in first.0.iter().zip(&last.0) {
        rows.push(vec![
            first.index.clone(),
            rate(last.scans),
            format!("{:.1}", first.entries_a_scan()),
            format!("{:.1}", last.entries_a_scan()),
            format!("{:.1}", first.pages_a_scan()),
            format!("{:.1}", last.pages_a_scan()),
        ]);
        tables.checks.push(Check::new(
            format!(
                "snapshot held open: entries of {} that a scan reads at the end",
                last.index
            ),
            format!("≤ {}", rate(ENTRIES_MAX)),
            format!("{:.1}", last.entries_a_scan()),
            last.entries_a_scan() <= ENTRIES_MAX,
        ));
    }
    let rate_of = |runs: &[Closed]| format!("{}/s", rate(of(runs, |run| run.per_second)));
    tables.tables.push(Table {
        about: format!(
            "A snapshot held open for {} s at {} events a second (eight of ten to an endpoint that takes all, one to \
             an ordered one, one to an endpoint that answers every fifth request with 503): {} events sent, {} had \
             arrived when the last was sent, p50 {} and p99 {} of the first endpoint, {} requests failed and were \
             tried again, {} rows of the hot table dead at the end, {} multixacts. Afterwards, with the snapshot still \
             held: {} of deliveries as fast as they go, and {} in a new database, in turns. What the scans that find \
             something due read of their indexes, in the first and in the last minute:",
            time.as_secs(),
            rate(per_second as f64),
            rate(soaked.sent as f64),
            rate(soaked.in_time as f64),
            ms(soaked.latencies.percentile_ms(500)),
            ms(soaked.latencies.percentile_ms(990)),
            rate(soaked.failed as f64),
            rate(dead as f64),
            rate(multixacts as f64),
            rate_of(&with),
            rate_of(&without),
        ),
        columns: [
            "index",
            "scans, last minute",
            "entries a scan, first",
            "entries a scan, last",
            "pages a scan, first",
            "pages a scan, last",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
    });
    tables.measured(
        "snapshot",
        serde_json::json!({
            "seconds": time.as_secs(),
            "per_second": per_second,
            "sent": soaked.sent,
            "in_time": soaked.in_time,
            "lost": soaked.lost,
            "duplicates": soaked.duplicates,
            "failed": soaked.failed,
            "p50_ms": soaked.latencies.percentile_ms(500),
            "p99_ms": soaked.latencies.percentile_ms(990),
            "dead_rows": dead,
            "multixacts": multixacts,
            "looks": looks,
            "without": without,
            "with": with,
        }),
    )
}

/// Measures one new endpoint at full speed.
async fn sustained(bench: &Bench<'_>, store: &Store, name: &str) -> anyhow::Result<Closed> {
    let step = Sustained {
        store: store.clone(),
        port: bench.port(),
        name: name.to_owned(),
        endpoints: 1,
        known: false,
        order: Order::Any,
        ahead: AHEAD,
        time: bench.settings.time(),
    };
    in_own_process(&step).await
}
