//! Why a row was not written.

/// Why a row was not written.
#[derive(Debug)]
pub(super) enum RowError {
    /// There is no such table.
    NoTable,
    /// The row's values are at fault.
    Values(String),
    /// Anything else: it may work later.
    Other(String),
}

impl RowError {
    /// When the table cannot be created, the row's values are not at fault.
    pub(super) fn of_table(self) -> Self {
        match self {
            Self::Values(reason) => Self::Other(reason),
            other => other,
        }
    }
}
