//! The log: a line when a request arrives, and a line when it was answered.
//!
//! A separate thread with a bounded queue does the writing, so that a slow terminal never slows
//! down an answer; lines that do not fit in the queue are dropped, counted and reported.

mod escape;
mod human;
mod json;
mod paint;

pub(crate) use escape::escaped;
pub(crate) use escape::{escaped_lines, is_harmful};
pub(crate) use human::{Human, size};
pub(crate) use json::Logged;
pub(crate) use paint::Ink;

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::{record::Record, redact::Redactor};

/// Maximum number of lines that wait to be written.
const QUEUED_LINES_MAX: usize = 1024;
/// Maximum number of their bytes; a single longer line is accepted if nothing else waits.
const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Output {
    /// One JSON object per line on stdout instead of text on stderr.
    pub json: bool,
    /// Credentials are shown as they are.
    pub show_secrets: bool,
}

/// How records become lines.
#[derive(Debug)]
enum Format {
    Human(Human),
    Json(Option<Arc<Redactor>>),
}

/// The handle to the log's thread.
#[derive(Debug)]
pub(crate) struct Terminal {
    format: Format,
    lines: Queue,
    /// For diagnostics, which go to stderr even when stdout has the lines.
    notes: Queue,
    /// The number of dropped lines when it was last reported.
    said: AtomicUsize,
}

impl Terminal {
    /// Starts the thread that writes to stderr, or with `json` to stdout.
    pub(crate) fn start(output: Output, redactor: Arc<Redactor>) -> Self {
        let redactor = (!output.show_secrets).then_some(redactor);
        let notes = Queue::to(io::stderr());
        if output.json {
            return Self::write_to(Format::Json(redactor), Queue::to(io::stdout()), notes);
        }
        let colored = serve::wants_color(io::stderr().is_terminal());
        let human = Human::new(colored, redactor);
        Self::write_to(Format::Human(human), notes.clone(), notes)
    }

    fn write_to(format: Format, lines: Queue, notes: Queue) -> Self {
        Self {
            format,
            lines,
            notes,
            said: AtomicUsize::new(0),
        }
    }

    pub(crate) fn arrived(&self, record: &Record) {
        let mut text = Vec::new();
        match &self.format {
            Format::Human(human) => human.whole(&mut text, record),
            Format::Json(redactor) => Logged::arrived(record, redactor.as_deref()).put(&mut text),
        }
        self.put(&text);
    }

    pub(crate) fn answered(&self, record: &Record) {
        let mut text = Vec::new();
        match &self.format {
            Format::Human(human) => human.answer_line(&mut text, record, Timestamp::now()),
            Format::Json(redactor) => Logged::answered(record, redactor.as_deref()).put(&mut text),
        }
        self.put(&text);
    }

    pub(crate) fn say(&self, text: &str) {
        self.notes.put(&note(text));
    }

    fn put(&self, text: &[u8]) {
        self.lines.put(text);
        // Reports it the first time, and then whenever the number has doubled.
        let said = self.said.load(Ordering::Relaxed);
        if self.lines.gauge.dropped.load(Ordering::Relaxed) > said * 2 {
            self.say_dropped();
        }
    }

    fn say_dropped(&self) {
        let dropped = self.lines.gauge.dropped.load(Ordering::Relaxed);
        if self.said.swap(dropped, Ordering::Relaxed) < dropped {
            self.say(&format!(
                "{dropped} lines were dropped so far: requests came faster than they could be written; the page has them"
            ));
        }
    }

    /// Waits until everything so far is written, at most a second: a stopped terminal must
    /// not keep the program alive. Nothing is written afterwards.
    pub(crate) fn finish(&self) {
        self.say_dropped();
        for queue in [&self.lines, &self.notes] {
            drop(queue.thread.lock().take());
        }
    }
}

fn note(text: &str) -> Vec<u8> {
    format!("polis: {}\n", escaped(text)).into_bytes()
}

/// What is waiting to be written, and what was dropped.
#[derive(Debug, Default)]
struct Gauge {
    lines: AtomicUsize,
    bytes: AtomicUsize,
    dropped: AtomicUsize,
}

/// A writer behind a bounded queue.
#[derive(Debug, Clone)]
struct Queue {
    to: NonBlocking,
    gauge: Arc<Gauge>,
    thread: Arc<Mutex<Option<WorkerGuard>>>,
}

impl Queue {
    fn to(out: impl Write + Send + 'static) -> Self {
        let gauge = Arc::new(Gauge::default());
        let out = Out {
            to: out,
            gauge: Arc::clone(&gauge),
            is_closed: false,
        };
        // The gauge refuses lines before the queue is full, so that the queue itself never drops any.
        let builder = NonBlockingBuilder::default().buffered_lines_limit(QUEUED_LINES_MAX * 2);
        let (to, thread) = builder.thread_name("polis-log").finish(out);
        Self {
            to,
            gauge,
            thread: Arc::new(Mutex::new(Some(thread))),
        }
    }

    fn put(&self, text: &[u8]) {
        let size = text.len();
        let lines = self.gauge.lines.fetch_add(1, Ordering::Relaxed);
        let bytes = self.gauge.bytes.fetch_add(size, Ordering::Relaxed);
        let is_crowded = bytes > 0 && bytes + size > QUEUED_BYTES_MAX;
        if is_crowded || lines >= QUEUED_LINES_MAX || self.to.clone().write_all(text).is_err() {
            self.gauge.left(size);
            self.gauge.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Gauge {
    fn left(&self, bytes: usize) {
        self.lines.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Where lines go, until it is closed.
struct Out<W> {
    to: W,
    gauge: Arc<Gauge>,
    is_closed: bool,
}

impl<W: Write> Write for Out<W> {
    /// Takes a whole line. A closed pipe does not end the capture, but it is reported.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.is_closed
            && let Err(error) = self.to.write_all(line).and_then(|()| self.to.flush())
        {
            self.is_closed = true;
            let said = note(&format!(
                "the log can no longer be written: {error}; the page still works"
            ));
            // If stderr is gone, there is nobody left to tell.
            let _ = io::stderr().lock().write_all(&said);
        }
        self.gauge.left(line.len());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::mpsc::{Receiver, Sender, channel},
        time::Duration,
    };

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

    #[test]
    fn a_stuck_terminal_holds_nobody_up_and_what_it_missed_is_counted() {
        let (go, may) = channel();
        let (wrote, written) = channel();
        let (entered, stuck) = channel();
        let out = Queue::to(Stuck {
            entered,
            may,
            wrote,
        });
        let terminal = Terminal::write_to(Format::Human(Human::new(false, None)), out.clone(), out);
        let record = Record::empty(7);
        // From here on the writer takes nothing out of the queue.
        terminal.arrived(&record);
        stuck.recv_timeout(Duration::from_secs(5)).unwrap();
        for _ in 0..QUEUED_LINES_MAX * 3 {
            terminal.arrived(&record);
        }
        let gauge = &terminal.lines.gauge;
        let dropped = gauge.dropped.load(Ordering::Relaxed);
        assert!(dropped >= QUEUED_LINES_MAX * 2, "{dropped} were dropped");
        assert!(gauge.lines.load(Ordering::Relaxed) <= QUEUED_LINES_MAX);
        drop(go);
        assert!(written.recv_timeout(Duration::from_secs(5)).unwrap() > 0);
    }
}
