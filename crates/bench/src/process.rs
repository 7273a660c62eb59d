//! What this process and others have used: processor time from the kernel's clock of this process,
//! the rest from /proc.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// Clock ticks a second in /proc: 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of this process so far: user and system, including threads that have ended.
pub(crate) fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

/// Processor time of this thread so far.
pub(crate) fn thread_cpu_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Processor seconds so far of a process and of all the children that it has started, whether they
/// are running or have ended; for a process whose children start none themselves.
pub(crate) fn family_cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let parent = Stat::read(&process.to_string())?;
    let mut seconds = parent.own_seconds + parent.ended_children_seconds;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else {
            continue;
        };
        // A process that has ended in the meantime is no longer a child.
        if let Ok(stat) = Stat::read(name)
            && stat.parent == process
        {
            seconds += stat.own_seconds;
        }
    }
    Ok(seconds)
}

/// Processor seconds that all processors of the machine have worked so far, for any program.
pub(crate) fn machine_cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let all = stat.lines().next().context("/proc/stat")?;
    let ticks: Vec<f64> = all
        .split_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("/proc/stat")?;
    // user, nice, system, idle, iowait, irq, softirq, and steal: what the host gave to other
    // machines.
    let busy = [0, 1, 2, 5, 6, 7].map(|index| ticks.get(index).copied().unwrap_or_default());
    Ok(busy.into_iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// What /proc reports about a process.
struct Stat {
    parent: u32,
    /// Processor seconds, user and system.
    own_seconds: f64,
    /// Those of its children that have ended.
    ended_children_seconds: f64,
}

impl Stat {
    fn read(process: &str) -> anyhow::Result<Self> {
        let file = format!("/proc/{process}/stat");
        let stat = fs::read_to_string(&file).context(file)?;
        // The second field, the program's name in parentheses, may contain spaces.
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

/// What the threads of this process have done so far.
pub(crate) struct Threads(HashMap<String, Thread>);

struct Thread {
    name: String,
    cpu: Duration,
    /// How often it woke up after waiting voluntarily.
    wakeups: u64,
}

impl Threads {
    pub(crate) fn now() -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for entry in fs::read_dir("/proc/self/task").context("/proc/self/task")? {
            let entry = entry?;
            // A thread may end between being listed and being read.
            if let Some(thread) = Thread::read(&entry.path()) {
                threads.insert(entry.file_name().to_string_lossy().into_owned(), thread);
            }
        }
        Ok(Self(threads))
    }

    /// How often threads that are still alive have been woken since.
    pub(crate) fn wakeups_since(&self, before: &Self) -> u64 {
        let since = |(id, thread): (&String, &Thread)| {
            let before = before.0.get(id).map_or(0, |thread| thread.wakeups);
            thread.wakeups.saturating_sub(before)
        };
        self.0.iter().map(since).sum()
    }

    /// Processor time used by the thread of this name.
    pub(crate) fn cpu_of(&self, name: &str) -> anyhow::Result<Duration> {
        let found = self.0.values().find(|thread| thread.name == name);
        let thread = found.with_context(|| format!("no thread is named {name}"))?;
        Ok(thread.cpu)
    }
}

impl Thread {
    fn read(folder: &Path) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        let status = read("status")?;
        let wakeups = value(&status, "voluntary_ctxt_switches:")?.parse().ok()?;
        // The first number is the nanoseconds on a processor.
        let schedule = read("schedstat")?;
        let cpu_ns = schedule.split_whitespace().next()?.parse().ok()?;
        Some(Self {
            name: read("comm")?.trim().to_owned(),
            cpu: Duration::from_nanos(cpu_ns),
            wakeups,
        })
    }
}

/// The first word after a name at the beginning of a line.
fn value<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line?.split_whitespace().next()
}

/// The most memory that this process has ever used, in bytes.
pub(crate) fn peak_bytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let kib = value(&status, "VmHWM:").context("VmHWM: in /proc/self/status")?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// The machine's load average over one minute.
pub(crate) fn load() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    let first = text.split_whitespace().next().context("/proc/loadavg")?;
    Ok(first.parse()?)
}
