//! The machine's own bounds, measured beside each figure: what a durable commit takes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::load::Latencies;

/// How long commits are measured.
const COMMITS_TIME: Duration = Duration::from_secs(2);

/// Durable commits of one small row each, with `synchronous=FULL`, one after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Commits {
    pub(crate) times: Latencies,
}

impl Commits {
    pub(crate) fn measure(folder: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(folder)?;
        let connection =
            rusqlite::Connection::open(folder.path().join("commits.db")).context("commits.db")?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch("create table row (id integer primary key, text text)")?;
        let mut insert = connection
            .prepare("insert into row (text) values ('two hundred bytes would not change it')")?;
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

/// One line that names the machine: processor, memory, kernel, file system.
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

/// What kind of file system a file or folder is on.
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
