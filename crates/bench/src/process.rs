//! What this process and others have used, read from /proc.

use anyhow::Context;

/// Clock ticks a second of /proc: 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds of this process so far, user and system.
pub(crate) fn cpu_seconds() -> anyhow::Result<f64> {
    Ok(Stat::read("self")?.own_seconds)
}

/// Processor seconds so far of a process and of all that it ever started, whether they run or have
/// ended; for one whose children start none themselves.
pub(crate) fn family_cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let parent = Stat::read(&process.to_string())?;
    let mut seconds = parent.own_seconds + parent.ended_children_seconds;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else {
            continue;
        };
        // One that has ended meanwhile is no child any more.
        if let Ok(stat) = Stat::read(name)
            && stat.parent == process
        {
            seconds += stat.own_seconds;
        }
    }
    Ok(seconds)
}

/// What /proc says of a process.
struct Stat {
    parent: u32,
    /// Processor seconds, user and system.
    own_seconds: f64,
    /// Of its children that ended.
    ended_children_seconds: f64,
}

impl Stat {
    fn read(process: &str) -> anyhow::Result<Self> {
        let file = format!("/proc/{process}/stat");
        let stat = std::fs::read_to_string(&file).context(file)?;
        // The second field, the program's name in parentheses, may hold spaces.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let field = |index: usize| fields.get(index).context("a process's stat is short");
        let seconds = |index: usize| -> anyhow::Result<f64> {
            Ok(field(index)?.parse::<f64>()? / TICKS_PER_SECOND)
        };
        Ok(Self {
            parent: field(1)?.parse()?,
            own_seconds: seconds(11)? + seconds(12)?,
            ended_children_seconds: seconds(13)? + seconds(14)?,
        })
    }
}

/// The most memory that this process ever had in use, in bytes.
pub(crate) fn peak_bytes() -> anyhow::Result<u64> {
    status_bytes("VmHWM:")
}

fn status_bytes(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .with_context(|| format!("{name} in /proc/self/status"))?;
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .with_context(|| format!("{name} in /proc/self/status"))?
        .parse()?;
    Ok(kib * 1024)
}

/// The machine's load, one-minute mean.
pub(crate) fn load() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let first = text.split_whitespace().next().context("/proc/loadavg")?;
    Ok(first.parse()?)
}
