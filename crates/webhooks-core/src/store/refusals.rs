//! Transactions that the disk refuses, one after the other: logged at once, and then every few seconds.

use crate::store::error::StoreError;

/// How often the log says that nothing can be stored: a full disk refuses fifty times a second,
/// and the log is often on the same disk.
const SAY_EVERY_MS: i64 = 10_000;

/// The refusals since a transaction was last stored.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    count: u64,
    say_at: i64,
}

impl Refusals {
    /// A transaction was refused at `now`, on the timeline.
    pub(super) fn note(&mut self, error: &StoreError, now: i64) {
        self.count += 1;
        if now >= self.say_at {
            self.say_at = now.saturating_add(SAY_EVERY_MS);
            tracing::error!(
                %error,
                refused = self.count,
                "nothing of this transaction was stored"
            );
        }
    }

    /// An event or an outcome was stored; a transaction without any proves nothing.
    pub(super) fn ended(&mut self) {
        if self.count > 0 {
            tracing::info!(refused = self.count, "transactions are stored again");
        }
        self.count = 0;
    }
}
