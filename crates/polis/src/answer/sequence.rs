//! Statuses in turn: `500x2,200` answers 500 twice, then 200 forever.

use std::{fmt, str::FromStr};

/// More entries than any test of retries needs.
const ENTRIES: usize = 100;

/// A list of statuses with the number of times that each is given; the last one repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sequence(Vec<(u16, u32)>);

/// Why the text is not a sequence of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SequenceFault {
    /// There is no status.
    #[error("it is empty; write statuses like 500x2,200")]
    Empty,
    /// A status outside 200 to 599, or something else.
    #[error("{0:?} is not a status from 200 to 599, alone or with a count like 500x2")]
    Entry(String),
    /// More entries than the limit.
    #[error("it has {0} entries; the limit is {ENTRIES}")]
    TooMany(usize),
}

impl Sequence {
    /// The statuses one after another.
    ///
    /// # Errors
    /// [`SequenceFault`] for a status outside 200 to 599, or if there is no status.
    pub(crate) fn of(statuses: impl IntoIterator<Item = u16>) -> Result<Self, SequenceFault> {
        let mut entries: Vec<(u16, u32)> = Vec::new();
        for status in statuses {
            if !(200..600).contains(&status) {
                return Err(SequenceFault::Entry(status.to_string()));
            }
            match entries.last_mut() {
                Some((last, count)) if *last == status => *count += 1,
                _ => entries.push((status, 1)),
            }
        }
        Self::checked(entries)
    }

    fn checked(entries: Vec<(u16, u32)>) -> Result<Self, SequenceFault> {
        match entries.len() {
            0 => Err(SequenceFault::Empty),
            count if count > ENTRIES => Err(SequenceFault::TooMany(count)),
            _ => Ok(Self(entries)),
        }
    }

    /// The status after this many attempts of the same delivery.
    pub(crate) fn status(&self, before: u32) -> u16 {
        let mut left = before;
        for (status, count) in &self.0 {
            if left < *count {
                return *status;
            }
            left -= count;
        }
        self.0.last().map_or(200, |(status, _)| *status)
    }
}

impl FromStr for Sequence {
    type Err = SequenceFault;

    fn from_str(text: &str) -> Result<Self, SequenceFault> {
        if text.trim().is_empty() {
            return Err(SequenceFault::Empty);
        }
        let mut entries = Vec::new();
        for entry in text.split(',').map(str::trim) {
            let wrong = || SequenceFault::Entry(entry.to_owned());
            let (status, count) = entry.split_once('x').unwrap_or((entry, "1"));
            let status: u16 = status.parse().map_err(|_| wrong())?;
            let count: u32 = count.parse().map_err(|_| wrong())?;
            if !(200..600).contains(&status) || count == 0 {
                return Err(wrong());
            }
            entries.push((status, count));
        }
        Self::checked(entries)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (status, count)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match count {
                1 => write!(f, "{status}")?,
                count => write!(f, "{status}x{count}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_status_repeats() {
        let sequence: Sequence = "500x2, 429,200".parse().unwrap();
        let statuses: Vec<u16> = (0..6).map(|before| sequence.status(before)).collect();
        assert_eq!(statuses, [500, 500, 429, 200, 200, 200]);
        assert_eq!(sequence.to_string(), "500x2,429,200");
        assert_eq!(Sequence::of([500, 500, 429, 200]).unwrap(), sequence);
    }

    #[test]
    fn wrong_entries_are_named() {
        for text in ["", "abc", "500x", "500x0", "99", "600", "200,,"] {
            assert!(text.parse::<Sequence>().is_err(), "{text}");
        }
        assert_eq!(
            "200,x".parse::<Sequence>(),
            Err(SequenceFault::Entry("x".into()))
        );
    }
}
