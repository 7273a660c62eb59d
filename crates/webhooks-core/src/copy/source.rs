//! The file that is copied: locked against engines, migrated to the current version, and read.

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, OptionalExtension};

use super::{
    error::CopyError,
    slice::{Slice, Times},
    table::{Table, UNFIT_OUTBOX_ROWS},
};
use crate::store::{
    durability::Durability,
    sqlite::{
        file_lock::FileLock,
        guard::Guard,
        schema,
        setting::setting,
        version::{self, Found},
    },
};

/// Identifies the file and its state: it differs for another file, and for one that an engine has opened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// How many times an engine was started on it.
    pub(super) boot: i64,
    /// The time that it had reached, by the wall clock.
    pub(super) reached: i64,
}

/// A file that is locked, so that no engine delivers from it meanwhile.
pub(super) struct Source {
    connection: Connection,
    _guard: Guard,
    shown: String,
    times: Times,
    boot: i64,
    /// Declared after the connection, so that it is released last.
    _lock: FileLock,
}

impl Source {
    pub(super) fn open(file: &Path) -> Result<Self, CopyError> {
        let shown = file.display().to_string();
        // Opening would create a missing file.
        if !file.is_file() {
            return Err(CopyError::NoStore { file: shown });
        }
        let lock = FileLock::take(file, Duration::ZERO)?;
        let refuse = |source: rusqlite::Error| schema::refusal(&shown, source);
        let found = schema::open_reader(file)
            .and_then(|reader| version::find(&reader))
            .map_err(refuse)?;
        if found == Found::Nothing {
            return Err(CopyError::NoStore { file: shown });
        }
        let (connection, guard) = schema::open_writer(Some(file), Durability::Full)?;
        let newest: Option<i64> = connection
            .query_row(
                "select created_at from webhooks_event order by seq desc limit 1",
                [],
                |row| row.get(0),
            )
            .optional()
            .map_err(refuse)?;
        let reached = setting(&connection, "reached").map_err(refuse)?;
        let times = Times {
            offset: setting(&connection, "offset").map_err(refuse)?,
            reached: reached.max(newest.unwrap_or_default()),
        };
        let source = Self {
            boot: setting(&connection, "boot").map_err(refuse)?,
            connection,
            _guard: guard,
            times,
            _lock: lock,
            shown,
        };
        source.check_outbox()?;
        Ok(source)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin {
            boot: self.boot,
            reached: self.times.reached.saturating_sub(self.times.offset),
        }
    }

    /// Checked at the start, rather than after everything else was copied.
    fn check_outbox(&self) -> Result<(), CopyError> {
        let read = || -> rusqlite::Result<Vec<i64>> {
            self.connection
                .prepare(UNFIT_OUTBOX_ROWS)?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        let ids = read().map_err(|source| self.unreadable("outbox", source))?;
        if ids.is_empty() {
            return Ok(());
        }
        Err(CopyError::Outbox {
            file: self.shown.clone(),
            ids,
        })
    }

    /// The next rows of a table after a position; `None` if there are none.
    pub(super) fn slice(&self, table: &Table, after: i64) -> Result<Option<Slice>, CopyError> {
        Slice::read(&self.connection, table, after, self.times)
            .map_err(|source| self.unreadable(table.name, source))
    }

    pub(super) fn count(&self, table: &Table) -> Result<u64, CopyError> {
        let count: rusqlite::Result<i64> = self
            .connection
            .query_row(&table.count(), [], |row| row.get(0));
        let count = count.map_err(|source| self.unreadable(table.name, source))?;
        Ok(count.unsigned_abs())
    }

    fn unreadable(&self, table: &'static str, source: rusqlite::Error) -> CopyError {
        CopyError::Source {
            file: self.shown.clone(),
            table,
            source: Arc::new(source),
        }
    }
}
