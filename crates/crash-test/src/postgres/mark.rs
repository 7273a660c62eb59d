//! What identifies an event: a number in its body, whoever chose its id.

use std::{fmt, str::FromStr};

/// What identifies an event. Its text, sixteen hexadecimal digits, is in the event's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u64);

impl Mark {
    /// The `number`th event of a caller in a process's life.
    #[must_use]
    pub fn new(life: u32, caller: u8, number: u32) -> Self {
        Self(u64::from(life) << 40 | u64::from(caller) << 32 | u64::from(number))
    }

    /// As it is stored in Postgres.
    #[must_use]
    pub fn to_sql(self) -> i64 {
        i64::from_ne_bytes(self.0.to_ne_bytes())
    }

    /// The inverse of [`Mark::to_sql`].
    #[must_use]
    pub fn from_sql(number: i64) -> Self {
        Self(u64::from_ne_bytes(number.to_ne_bytes()))
    }

    /// Finds the mark in an event's body.
    #[must_use]
    pub fn find(body: &[u8]) -> Option<Self> {
        let name = br#""mark":""#;
        let at = body.windows(name.len()).position(|part| part == name)?;
        let digits = body.get(at + name.len()..at + name.len() + 16)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
