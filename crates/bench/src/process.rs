//! What this process has used, read from /proc.

use anyhow::Context;

/// Clock ticks a second of /proc: 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds of this process so far, user and system.
pub(crate) fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
    // The second field, the program's name in parentheses, may hold spaces.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| -> anyhow::Result<f64> {
        let field = fields.get(index).context("/proc/self/stat is short")?;
        Ok(field.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
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
