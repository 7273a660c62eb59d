//! The last changes of the store, so that a reader that was away can catch up.

use std::collections::VecDeque;

/// Enough for a page that reconnects after a few seconds under load.
const CHANGES: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Arrived,
    Answered,
    Diagnosed,
    SentAgain,
    Commented,
    Removed,
}

/// One change, numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) sequence: u64,
    pub(crate) kind: ChangeKind,
    pub(crate) id: u64,
}

/// Changes were forgotten before the reader asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    /// Where to continue after reading everything again.
    pub(crate) newest: u64,
}

#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    changes: VecDeque<Change>,
    newest: u64,
}

impl ChangeLog {
    pub(super) fn note(&mut self, kind: ChangeKind, id: u64) -> u64 {
        self.newest += 1;
        self.changes.push_back(Change {
            sequence: self.newest,
            kind,
            id,
        });
        if self.changes.len() > CHANGES {
            self.changes.pop_front();
        }
        self.newest
    }

    pub(super) fn after(&self, sequence: u64) -> Result<Vec<Change>, Missed> {
        let oldest = self.newest - self.changes.len() as u64;
        if sequence < oldest || sequence > self.newest {
            return Err(Missed {
                newest: self.newest,
            });
        }
        // Less than CHANGES, because of the check above.
        let skip = usize::try_from(sequence - oldest).unwrap_or(CHANGES);
        Ok(self.changes.iter().skip(skip).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_catches_up_or_is_told_that_it_missed_something() {
        let mut log = ChangeLog::default();
        assert_eq!(log.after(0), Ok(vec![]));
        for id in 1..=CHANGES as u64 + 5 {
            log.note(ChangeKind::Arrived, id);
        }
        let newest = CHANGES as u64 + 5;
        assert_eq!(log.after(newest - 2).unwrap().len(), 2);
        assert_eq!(log.after(5).unwrap().len(), CHANGES);
        assert_eq!(log.after(4), Err(Missed { newest }));
        assert_eq!(log.after(newest + 1), Err(Missed { newest }));
    }
}
