//! Rows of one table that are copied in one transaction, as columns.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row};

use super::{
    kind::{Kind, Values},
    table::Table,
};

/// The maximum number of rows in a slice. It limits how much work is lost when a copy is interrupted, and how long
/// a transaction lasts.
const SLICE_ROWS: usize = 2_000;
/// The maximum number of bytes in a slice, for large rows.
const SLICE_BYTES: usize = 4 * 1024 * 1024;

/// Rows of one table, ordered by position. All rows of a position are in the same slice.
pub(super) struct Slice {
    /// The position of the last row.
    pub(super) until: i64,
    /// One entry for each column.
    pub(super) values: Vec<Values>,
    rows: usize,
    bytes: usize,
}

/// Converts from a file's timeline to the wall clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The file's timeline minus the wall clock.
    pub(super) offset: i64,
    /// The time that the file's timeline had reached.
    pub(super) reached: i64,
}

impl Slice {
    /// Reads the next rows of a table after a position; `None` if there are none.
    pub(super) fn read(
        connection: &Connection,
        table: &Table,
        after: i64,
        times: Times,
    ) -> rusqlite::Result<Option<Self>> {
        let mut select = connection.prepare_cached(&table.select())?;
        for (name, value) in [(":after", after), (":reached", times.reached)] {
            if let Some(place) = select.parameter_index(name)? {
                select.raw_bind_parameter(place, value)?;
            }
        }
        let mut rows = select.raw_query();
        let mut slice: Option<Self> = None;
        while let Some(row) = rows.next()? {
            let position = row.get(0)?;
            let slice = slice.get_or_insert_with(|| Self::new(table, position));
            if slice.is_full() && slice.until != position {
                break;
            }
            slice.until = position;
            slice.add(table, row, times.offset)?;
        }
        Ok(slice)
    }

    fn new(table: &Table, position: i64) -> Self {
        Self {
            until: position,
            values: table
                .columns
                .iter()
                .map(|(_, _, kind)| kind.values())
                .collect(),
            rows: 0,
            bytes: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= SLICE_ROWS || self.bytes >= SLICE_BYTES
    }

    fn add(&mut self, table: &Table, row: &Row<'_>, offset: i64) -> rusqlite::Result<()> {
        let columns = table.columns.iter().zip(&mut self.values).zip(1..);
        for (((_, _, kind), values), place) in columns {
            let value = row.get_ref(place)?;
            let told = value.data_type();
            self.bytes += kind.add(values, value, offset).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(place, told, Box::new(error))
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The days (partitions) that the rows of a partitioned table belong to.
    pub(super) fn days(&self, table: &Table) -> BTreeSet<i32> {
        let column = table.columns.iter().position(|(name, _, kind)| {
            // A delivery's `event_day` is that of its event and does not name a partition.
            *name == "day" && *kind == Kind::Day
        });
        match column.map(|place| &self.values[place]) {
            Some(Values::Ints(days)) => days.iter().copied().flatten().collect(),
            _ => BTreeSet::new(),
        }
    }
}
