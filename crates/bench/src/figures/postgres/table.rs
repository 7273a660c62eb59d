//! The results of the parts of the figure.

use serde::Serialize;

use crate::report::{Check, Table};

/// The tables so far, the bounds, and everything measured.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) tables: Vec<Table>,
    pub(super) checks: Vec<Check>,
    pub(super) measured: serde_json::Map<String, serde_json::Value>,
}

impl Tables {
    pub(super) fn measured(&mut self, name: &str, value: impl Serialize) -> anyhow::Result<()> {
        let value = serde_json::to_value(value)?;
        self.measured.insert(name.to_owned(), value);
        Ok(())
    }
}
