//! What the engines of this process log, on whichever thread.

use std::{
    io::Write,
    sync::{Arc, Mutex, OnceLock},
};

use tokio::sync::Notify;

static LOG: OnceLock<Log> = OnceLock::new();

/// What was logged. Tests that run in one process have it in common.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Vec<u8>>, Notify)>);

impl Log {
    /// Begins with the first call.
    pub(crate) fn of_process() -> Self {
        let begin = || {
            let log = Self::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            log
        };
        LOG.get_or_init(begin).clone()
    }

    /// How many lines are so.
    pub(crate) fn count(&self, is_so: impl Fn(&str) -> bool) -> usize {
        let bytes = self.0.0.lock().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter(|line| is_so(line)).count()
    }

    pub(crate) fn count_with(&self, message: &str) -> usize {
        self.count(|line| line.contains(message))
    }

    /// Waits for a line with this message.
    pub(crate) async fn wait_for(&self, message: &str) {
        loop {
            let changed = self.0.1.notified();
            if self.count_with(message) > 0 {
                return;
            }
            changed.await;
        }
    }

    /// At which transactions of those that were refused one after the other, `among` them, it was said that
    /// nothing of it was stored.
    pub(crate) fn refusals_said(&self, among: impl Iterator<Item = usize>) -> Vec<usize> {
        let is_said = |n: &usize| {
            let end = format!(" refused={n}");
            let refusal = "nothing of this transaction was stored";
            self.count(|line| line.contains(refusal) && line.ends_with(&end)) > 0
        };
        among.filter(is_said).collect()
    }

    /// How often it was said that transactions are stored again after so many that were refused.
    pub(crate) fn stored_again(&self, refused: usize) -> usize {
        let end = format!("transactions are stored again refused={refused}");
        self.count(|line| line.ends_with(&end))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (lines, changed) = &*self.0;
        lines.lock().unwrap().extend_from_slice(bytes);
        changed.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
