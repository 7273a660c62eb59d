//! Outcomes that Postgres refuses because of their content: a constraint or a trigger of the app refuses them.
//! They wait here, hold nothing else up, and are retried now and then.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use super::{error::refusal_of, tx::Tx};
use crate::store::{completion::Completion, error::StoreError, queue::Batch};

/// Between two tries of what was refused.
const AGAIN_WAIT: Duration = Duration::from_secs(1);
/// The most refused outcomes that one transaction finds one by one, and the most that are retried together:
/// those after them are set aside too. Each costs a few statements.
const REFUSED_MAX: usize = 32;
/// Outcomes that may wait here; beyond this transactions fail, and workers wait.
const SET_ASIDE_MAX: usize = 16 * 1024;

/// How often the log says so.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Outcomes that were refused.
#[derive(Default)]
pub(super) struct SetAside {
    outcomes: Vec<Completion>,
    again_at: Option<Instant>,
    /// Some are in the current batch.
    is_trying: bool,
    said_at: Option<Instant>,
}

/// What became of the outcomes of a batch.
#[derive(Default)]
pub(super) struct StoredOutcomes {
    /// The positions of those that are not stored.
    pub(super) refused: Vec<usize>,
    /// Why the last of them was not.
    pub(super) error: Option<StoreError>,
}

impl SetAside {
    /// How long to wait until the next try.
    pub(super) fn wait(&self) -> Option<Duration> {
        let at = self.again_at?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    /// Adds to these the outcomes whose next try is due.
    pub(super) fn add_due(&mut self, completions: &mut Vec<Completion>) {
        if self.wait().is_none_or(|wait| wait > Duration::ZERO) {
            return;
        }
        self.is_trying = true;
        let due = self.outcomes.len().min(REFUSED_MAX);
        completions.extend(self.outcomes.drain(..due));
        self.again_at = (!self.outcomes.is_empty()).then(|| Instant::now() + AGAIN_WAIT);
    }

    /// Takes the refused outcomes out of a batch.
    pub(super) fn take(&mut self, completions: &mut Vec<Completion>, stored: StoredOutcomes) {
        self.is_trying = false;
        let Some(error) = stored.error else {
            return;
        };
        for at in stored.refused.into_iter().rev() {
            self.outcomes.push(completions.remove(at));
        }
        self.again_at
            .get_or_insert_with(|| Instant::now() + AGAIN_WAIT);
        if self.said_at.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said_at = Some(Instant::now());
            tracing::error!(
                %error,
                outcomes = self.outcomes.len(),
                "a constraint or a trigger of the app refuses outcomes of attempts: they are stored once it accepts \
                 them; if it has not by the next start, the attempts are made again"
            );
        }
    }

    /// Whether to store the outcomes of a batch in such a way that the database can refuse some of them: done
    /// if anything else would be refused with them.
    pub(super) fn takes_from(&self, batch: &Batch) -> bool {
        let parts = batch.completions.len() + batch.sends.len() + batch.asks.len();
        !batch.completions.is_empty()
            && (parts > 1 || self.is_trying)
            && self.outcomes.len() < SET_ASIDE_MAX
    }

    /// The engine shuts down.
    pub(super) fn end(&self) {
        if !self.outcomes.is_empty() {
            tracing::warn!(
                outcomes = self.outcomes.len(),
                "outcomes of attempts could not be stored; the attempts are made again"
            );
        }
    }
}

impl Tx<'_> {
    /// Stores outcomes in a transaction that contains other work: those that the database refuses are not stored,
    /// everything else is.
    pub(super) async fn store_completions_apart(
        &mut self,
        completions: &[Completion],
    ) -> Result<StoredOutcomes, StoreError> {
        let mut outcomes = StoredOutcomes::default();
        let mut stored: Vec<Range<usize>> = Vec::new();
        let mut parts: Vec<Range<usize>> = std::iter::once(0..completions.len()).collect();
        while let Some(part) = parts.pop() {
            if outcomes.refused.len() >= REFUSED_MAX {
                outcomes.refused.extend(part);
                continue;
            }
            let of_part = &completions[part.clone()];
            let mut is_written = false;
            let written = self
                .in_savepoint(async |tx: &mut Tx<'_>| {
                    tx.store_completions(of_part).await?;
                    is_written = true;
                    Ok(())
                })
                .await;
            if is_written {
                stored.push(part.clone());
            }
            let Err(error) = written else {
                continue;
            };
            if is_written || refusal_of(&error).is_none() {
                // Nothing of the transaction is stored, even if the connection was lost after its outcomes.
                let stored = stored.into_iter().flatten();
                stored.for_each(|at| completions[at].taken_back());
                return Err(error);
            }
            if part.len() == 1 {
                outcomes.refused.push(part.start);
                outcomes.error = Some(error);
            } else {
                let middle = part.start + part.len() / 2;
                parts.extend([middle..part.end, part.start..middle]);
            }
        }
        Ok(outcomes)
    }
}
