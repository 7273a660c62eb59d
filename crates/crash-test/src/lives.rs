//! Starts the child, kills it, and checks what it left.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::{
    child::CUSTOMERS,
    receiver::{self, Arrivals},
    report::Report,
};

/// The named places at which every second life ends.
const PLACES: [&str; 5] = [
    "before_commit",
    "after_commit",
    "in_flight",
    "before_completion_commit",
    "after_completion_commit",
];
/// The maximum number of visits to a named place, the last of which kills.
const VISITS_MAX: u64 = 40;
/// The longest life that ends at random.
const LIFE_MAX: Duration = Duration::from_millis(150);
/// A life that ends at a named place must get there within this time.
const PLACE_TIME: Duration = Duration::from_secs(30);
/// The last life must drain within this time.
const DRAIN_TIME: Duration = Duration::from_secs(120);

/// Runs `kills` + 1 lives of the program at `program`; the same seed draws the same lives.
///
/// # Errors
/// When a child does not start, or does something unexpected.
pub async fn live(program: &Path, kills: u32, seed: u64) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("webhooks.db");
    let arrivals = Arrivals::default();
    let url = receiver::start(arrivals.clone()).await?;
    let mut random = StdRng::seed_from_u64(seed);
    let mut said = Said::default();
    let mut report = Report::default();
    let mut allowed: HashMap<String, usize> = HashMap::new();
    for life in 0..kills {
        // Every second life ends at a named place, the others at random.
        let place = (life % 2 == 1).then(|| PLACES[(life / 2) as usize % PLACES.len()]);
        let mut command = command(program, &file, &url, life);
        if let Some(place) = place {
            let visits = random.random_range(1..=VISITS_MAX);
            command.env("WEBHOOKS_CRASH_POINT", format!("{place}:{visits}"));
        }
        let mut child = command.spawn()?;
        let mut lines = lines(&mut child)?;
        let time = match place {
            Some(_) => PLACE_TIME,
            None => random.random_range(Duration::ZERO..LIFE_MAX),
        };
        let end = tokio::time::timeout(time, said.listen(&mut lines)).await;
        if let (Ok(_), None) = (&end, place) {
            bail!("life {life} ended by itself: {:?}", child.wait().await?);
        }
        child.kill().await?;
        // What it printed before it died is still in the pipe.
        said.listen(&mut lines).await?;
        match (place, end) {
            (Some(place), Ok(Ok(true))) => report.kills.push(place.to_owned()),
            (Some(place), _) => bail!("life {life} did not get to {place} within {PLACE_TIME:?}"),
            (None, _) => report.kills.push("at random".to_owned()),
        }
        for id in in_flight(&file, &arrivals)? {
            report.in_flight += 1;
            *allowed.entry(id).or_default() += 1;
        }
    }
    let mut last = command(program, &file, &url, kills).arg("--last").spawn()?;
    let mut lines = lines(&mut last)?;
    tokio::time::timeout(DRAIN_TIME, said.listen(&mut lines))
        .await
        .with_context(|| format!("the last life did not drain within {DRAIN_TIME:?}"))??;
    if !last.wait().await?.success() {
        bail!("the last life failed");
    }
    judge(&mut report, said, &arrivals, &allowed, &file)?;
    Ok(report)
}

fn command(program: &Path, file: &Path, url: &str, life: u32) -> Command {
    let mut command = Command::new(program);
    command
        .args(["child", "--file"])
        .arg(file)
        .args(["--receiver", url, "--life", &life.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn lines(child: &mut Child) -> anyhow::Result<Lines<BufReader<ChildStdout>>> {
    Ok(BufReader::new(child.stdout.take().context("no output")?).lines())
}

/// What the children printed.
#[derive(Default)]
struct Said {
    sending: BTreeSet<String>,
    stored: BTreeSet<String>,
}

impl Said {
    /// Reads to the end, or until a named place is reached (then returns true).
    async fn listen(&mut self, lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<bool> {
        while let Some(line) = lines.next_line().await? {
            match line.split_once(' ') {
                Some(("sending", id)) => drop(self.sending.insert(id.to_owned())),
                Some(("stored", id)) => drop(self.stored.insert(id.to_owned())),
                Some(("reached", _)) => return Ok(true),
                // A line that the kill cut off.
                _ => {}
            }
        }
        Ok(false)
    }
}

/// Requests that arrived, but whose outcome is not in the store: these may come again.
fn in_flight(file: &Path, arrivals: &Arrivals) -> anyhow::Result<Vec<String>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    // Opens a copy: closing the file itself would checkpoint its write-ahead log, which is for the
    // next life to do.
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy.db");
    std::fs::copy(file, &copy)?;
    let log = |database: &Path| {
        let mut name = database.as_os_str().to_owned();
        name.push("-wal");
        PathBuf::from(name)
    };
    if log(file).exists() {
        std::fs::copy(log(file), log(&copy))?;
    }
    let connection = rusqlite::Connection::open(copy)?;
    let tables: i64 =
        connection.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let mut delivered = connection.prepare(
        "select 1 from webhooks_event e join webhooks_attempt a on a.event_seq = e.seq where e.id = ?1 and a.failure is null",
    )?;
    let mut unrecorded = Vec::new();
    for customer in CUSTOMERS {
        let arrived: BTreeSet<String> = arrivals.of(customer).into_iter().collect();
        for id in arrived {
            if !delivered.exists([&id])? {
                unrecorded.push(id);
            }
        }
    }
    Ok(unrecorded)
}

fn judge(
    report: &mut Report,
    said: Said,
    arrivals: &Arrivals,
    allowed: &HashMap<String, usize>,
    file: &Path,
) -> anyhow::Result<()> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for customer in CUSTOMERS {
        for id in arrivals.of(customer) {
            *counts.entry(id).or_default() += 1;
        }
    }
    report.delivered = counts.keys().cloned().collect();
    report.lost = said.stored.difference(&report.delivered).cloned().collect();
    report.unexpected = report
        .delivered
        .difference(&said.sending)
        .cloned()
        .collect();
    report.duplicates = counts.values().map(|count| count - 1).sum();
    let too_often =
        |(id, count): (&String, &usize)| *count > 1 + allowed.get(id).copied().unwrap_or_default();
    report.repeated = counts
        .iter()
        .filter(|entry| too_often(*entry))
        .map(|(id, _)| id.clone())
        .collect();
    report.acknowledged = said.stored;
    let connection = rusqlite::Connection::open(file)?;
    let mut place = connection.prepare("select seq from webhooks_event where id = ?1")?;
    let mut seen = BTreeSet::new();
    let mut last = 0_i64;
    for id in arrivals.of("ordered") {
        if seen.insert(id.clone()) {
            let seq: i64 = place.query_row([&id], |row| row.get(0))?;
            if seq < last {
                report.out_of_order.insert(id);
            }
            last = last.max(seq);
        }
    }
    Ok(())
}
