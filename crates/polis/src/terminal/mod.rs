//! The log: a line when a request arrives, a line when it was answered.
//!
//! Formatting and writing happen on a thread of their own behind a bounded queue, so that a
//! slow terminal never slows an answer down; lines that find no place are dropped and counted,
//! and the count is said.

mod escape;
mod format;
mod human;
mod json;
mod paint;

pub use escape::escaped;
pub(crate) use escape::{escaped_lines, is_harmful};
pub(crate) use human::{Human, size};
pub(crate) use json::Logged;
pub(crate) use paint::Ink;

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::{record::Record, redact::Redactor};
use format::Format;
use json::JsonLines;

/// Lines that wait to be written.
const QUEUE: usize = 1024;
/// Bytes of the records that wait to be written: they are kept alive by the queue.
const QUEUED_BYTES: usize = 16 * 1024 * 1024;

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Output {
    /// One JSON object a line on stdout instead of text on stderr.
    pub json: bool,
    /// Credentials are shown as they are.
    pub show_secrets: bool,
}

#[derive(Debug)]
enum Line {
    Arrived(Arc<Record>),
    Answered(Arc<Record>, Timestamp),
    Say(String),
    Flush(SyncSender<()>),
}

/// A line, and what it cost when it was queued: a record costs more once it is answered.
#[derive(Debug)]
struct Queued {
    line: Line,
    cost: usize,
}

impl Line {
    fn cost(&self) -> usize {
        match self {
            Self::Arrived(record) | Self::Answered(record, _) => record.cost(),
            Self::Say(text) => text.len(),
            Self::Flush(_) => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Gauge {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// The way to the log's thread.
#[derive(Debug)]
pub(crate) struct Terminal {
    queue: SyncSender<Queued>,
    gauge: Arc<Gauge>,
}

impl Terminal {
    /// Starts the thread that writes to stderr, or with `json` to stdout.
    pub(crate) fn start(output: Output, redactor: Arc<Redactor>) -> io::Result<Self> {
        let redactor = (!output.show_secrets).then_some(redactor);
        if output.json {
            return Self::write_to(Box::new(JsonLines::new(redactor)), Box::new(io::stdout()));
        }
        let colored = serve::wants_color(io::stderr().is_terminal());
        Self::write_to(
            Box::new(Human::new(colored, redactor)),
            Box::new(io::stderr()),
        )
    }

    fn write_to(format: Box<dyn Format>, out: Box<dyn Write + Send>) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let gauge = Arc::new(Gauge::default());
        let watched = Arc::clone(&gauge);
        std::thread::Builder::new()
            .name("polis-log".into())
            .spawn(move || write_lines(&lines, &*format, out, &watched))?;
        Ok(Self { queue, gauge })
    }

    pub(crate) fn arrived(&self, record: &Arc<Record>) {
        self.put(Line::Arrived(Arc::clone(record)));
    }

    pub(crate) fn answered(&self, record: &Arc<Record>) {
        self.put(Line::Answered(Arc::clone(record), Timestamp::now()));
    }

    pub(crate) fn say(&self, text: String) {
        self.put(Line::Say(text));
    }

    fn put(&self, line: Line) {
        let cost = line.cost();
        let before = self.gauge.bytes.fetch_add(cost, Ordering::Relaxed);
        // A single large record passes when nothing else waits.
        let crowded = before > 0 && before + cost > QUEUED_BYTES;
        if crowded
            || matches!(
                self.queue.try_send(Queued { line, cost }),
                Err(TrySendError::Full(_))
            )
        {
            self.gauge.bytes.fetch_sub(cost, Ordering::Relaxed);
            self.gauge.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything before is written, at most a second: a stopped terminal must
    /// not keep the program alive.
    pub(crate) fn flush(&self) {
        let (done, wait) = sync_channel(1);
        let flush = Queued {
            line: Line::Flush(done),
            cost: 0,
        };
        if self.queue.try_send(flush).is_ok() {
            let _ = wait.recv_timeout(Duration::from_secs(1));
        }
    }
}

fn write_lines(
    lines: &Receiver<Queued>,
    format: &dyn Format,
    to: Box<dyn Write + Send>,
    gauge: &Gauge,
) {
    /// Written at once; a burst of small lines is one system call.
    const BATCH_BYTES: usize = 64 * 1024;
    let mut text = Vec::new();
    let mut out = Out {
        to,
        is_closed: false,
    };
    loop {
        let line = match lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                out.write(&mut text);
                match lines.recv_timeout(Duration::from_secs(1)) {
                    Ok(line) => line,
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        say_dropped(gauge);
                        continue;
                    }
                }
            }
        };
        let Queued { line, cost } = line;
        gauge.bytes.fetch_sub(cost, Ordering::Relaxed);
        match line {
            Line::Arrived(record) => format.arrived(&mut text, &record),
            Line::Answered(record, at) => format.answered(&mut text, &record, at),
            // Diagnostics go to stderr even when stdout has the lines.
            Line::Say(said) => say(&said),
            Line::Flush(done) => {
                say_dropped(gauge);
                out.write(&mut text);
                let _ = done.send(());
            }
        }
        if text.len() >= BATCH_BYTES {
            say_dropped(gauge);
            out.write(&mut text);
        }
    }
    out.write(&mut text);
}

fn say_dropped(gauge: &Gauge) {
    let dropped = gauge.dropped.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        say(&format!(
            "{dropped} lines were left out: requests came faster than they could be written; the page has them"
        ));
    }
}

fn say(text: &str) {
    // When stderr is gone there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "polis: {}", escaped(text));
}

/// Where lines go, until that is closed.
struct Out {
    to: Box<dyn Write + Send>,
    is_closed: bool,
}

impl Out {
    /// Writes and empties the text. A closed pipe does not end the capture, but it is said.
    fn write(&mut self, text: &mut Vec<u8>) {
        if !text.is_empty() && !self.is_closed {
            let written = self.to.write_all(text).and_then(|()| self.to.flush());
            if let Err(error) = written {
                self.is_closed = true;
                say(&format!(
                    "the log cannot be written any more: {error}; the page goes on"
                ));
            }
        }
        text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Takes nothing until it may.
    struct Stuck {
        entered: Sender<()>,
        may: Receiver<()>,
        wrote: Sender<usize>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The test has ended when the sender is gone.
            let _ = self.entered.send(());
            let _ = self.may.recv();
            let _ = self.wrote.send(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Ids;

    impl Format for Ids {
        fn arrived(&self, out: &mut Vec<u8>, record: &Record) {
            out.extend_from_slice(format!("{}\n", record.id).as_bytes());
        }

        fn answered(&self, _out: &mut Vec<u8>, _record: &Record, _at: Timestamp) {}
    }

    #[test]
    fn a_stuck_terminal_holds_nobody_up_and_what_it_missed_is_counted() {
        let (go, may) = sync_channel(1);
        let (wrote, written) = channel();
        let (entered, stuck) = channel();
        let out = Stuck {
            entered,
            may,
            wrote,
        };
        let terminal = Terminal::write_to(Box::new(Ids), Box::new(out)).unwrap();
        let record = Arc::new(Record::empty(7));
        // From here on the writer takes nothing out of the queue.
        terminal.arrived(&record);
        stuck.recv_timeout(Duration::from_secs(5)).unwrap();
        for _ in 0..QUEUE * 3 {
            terminal.arrived(&record);
        }
        let dropped = terminal.gauge.dropped.load(Ordering::Relaxed);
        assert!(dropped >= QUEUE as u64 * 2, "{dropped} were dropped");
        assert!(terminal.gauge.bytes.load(Ordering::Relaxed) <= QUEUED_BYTES);
        drop(go);
        assert!(written.recv_timeout(Duration::from_secs(5)).unwrap() > 0);
    }
}
