//! What was copied.

use std::fmt;

/// What was copied: every table, counted on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyReport {
    /// Each table, under its name in Postgres.
    pub tables: Vec<CopiedTable>,
}

/// One table, counted on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name in Postgres; in the file it begins with `webhooks_`.
    pub name: &'static str,
    /// Rows in the file.
    pub from: u64,
    /// Rows in Postgres.
    pub to: u64,
}

impl fmt::Display for CopiedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, from, to } = self;
        write!(f, "{name}: {from} in the file, {to} in Postgres")
    }
}
