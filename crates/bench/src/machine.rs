//! The machine's own bounds, measured along with each figure: the time of a durable commit.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{load::Latencies, process::thread_cpu_time};

/// How long commits are measured.
const COMMITS_TIME: Duration = Duration::from_secs(2);

/// Durable commits of one small row each, with `synchronous=FULL`, one after another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Commits {
    pub(crate) times: Latencies,
}

impl Commits {
    pub(crate) fn measure(folder: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(folder)?;
        let connection = open(folder.path())?;
        let mut insert = connection.prepare(INSERT)?;
        let started = Instant::now();
        let mut times = Vec::new();
        while started.elapsed() < COMMITS_TIME {
            let began = Instant::now();
            insert.execute([])?;
            times.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        Ok(Self {
            times: Latencies::new(times),
        })
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            times: self.times.join(other.times),
        }
    }

    pub(crate) fn per_second(&self) -> f64 {
        1e6 / self.times.mean_us().max(1.0)
    }
}

/// Processor time in microseconds of one durable commit at `per_second` commits a second: the
/// processor sleeps in between, and each costs several times as much as when they follow each other
/// without a pause.
pub(crate) fn commit_cpu_us(folder: &Path, per_second: u64, time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir_in(folder)?;
    let connection = open(folder.path())?;
    let mut insert = connection.prepare(INSERT)?;
    let count = per_second * time.as_secs();
    let gap = Duration::from_secs(1) / u32::try_from(per_second)?;
    let (started, before) = (Instant::now(), thread_cpu_time());
    for number in 0..u32::try_from(count)? {
        std::thread::sleep((gap * number).saturating_sub(started.elapsed()));
        insert.execute([])?;
    }
    Ok((thread_cpu_time() - before).as_secs_f64() * 1e6 / count as f64)
}

const INSERT: &str = "insert into row (text) values ('two hundred bytes would not change it')";

/// A new database whose commits are durable, with one table.
pub(crate) fn open(folder: &Path) -> anyhow::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(folder.join("commits.db")).context("commits.db")?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("create table row (id integer primary key, text text)")?;
    Ok(connection)
}

/// One line that describes the machine: processor, memory, kernel, file system.
pub(crate) fn describe(folder: &Path) -> anyhow::Result<String> {
    let read = |file: &str| std::fs::read_to_string(file).with_context(|| file.to_owned());
    let field = |text: &str, name: &str| -> String {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or_else(
            || "unknown".to_owned(),
            |(_, value)| value.trim().to_owned(),
        )
    };
    let cores = std::thread::available_parallelism()?;
    let memory_kib: u64 = field(&read("/proc/meminfo")?, "MemTotal")
        .trim_end_matches(" kB")
        .parse()?;
    Ok(format!(
        "{cores} × {}, {} GiB of memory, Linux {}, {}",
        field(&read("/proc/cpuinfo")?, "model name"),
        memory_kib.div_ceil(1024 * 1024),
        read("/proc/sys/kernel/osrelease")?.trim(),
        file_system(folder)?,
    ))
}

/// The type of the file system that a file or folder is on.
pub(crate) fn file_system(path: &Path) -> anyhow::Result<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").context("/proc/mounts")?;
    let path = path.canonicalize()?;
    let kind = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(at, _)| path.starts_with(at))
        .max_by_key(|(at, _)| at.len())
        .map_or("unknown", |(_, kind)| kind);
    Ok(kind.to_owned())
}
