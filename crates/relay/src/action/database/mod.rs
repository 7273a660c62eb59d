//! A row in SQLite or Postgres: declared columns with types, and a key by which a copy is
//! recognised.
//!
//! Values never become part of a statement: they are bound, each with its column's type.

mod cell;
mod postgres;
mod row_error;
mod sqlite;

use std::fmt::{self, Write as _};

use minijinja::Value;
use serde_json::Value as Json;

use super::{
    attempt::Outcome,
    keys::{Keys, is_identifier},
};
use crate::{
    reading::{Section, suggestion},
    template::{Expression, RenderError},
};
use cell::{Cell, Type};
use row_error::RowError;

/// More columns than a table for people has.
const COLUMNS_MAX: usize = 100;
/// PostgreSQL truncates longer names.
const NAME_BYTES_MAX: usize = 63;

#[derive(Debug)]
struct Column {
    name: String,
    kind: Type,
    value: Expression,
}

/// The database that has the table.
#[derive(Debug)]
enum Store {
    Sqlite(sqlite::Sqlite),
    Postgres(Box<postgres::Postgres>),
}

/// A table, and what its rows are made of.
#[derive(Debug)]
pub(crate) struct Database {
    store: Store,
    statements: Statements,
    columns: Vec<Column>,
    table: String,
}

/// The SQL; only names from the file become part of it.
#[derive(Debug, Clone)]
struct Statements {
    create: String,
    insert: String,
}

/// The values of one row, in the order of the columns.
#[derive(Debug)]
pub(crate) struct Row {
    insert: String,
    cells: Vec<Cell>,
}

impl Database {
    pub(super) fn read(keys: &Keys<'_>) -> Option<Self> {
        let section = keys.section;
        let url = section.required("url");
        let table = name(section, "table");
        let key = name(section, "key");
        let update = section.flag("update");
        let columns = columns(keys);
        if let Some(key) = &key
            && !columns.iter().any(|column| column.name == *key)
        {
            let hint = suggestion(key, columns.iter().map(|column| column.name.as_str()));
            let span = section
                .raw("key")
                .map_or(section.span.clone(), |key| key.span);
            section.fault(&span, format_args!("key \"{key}\" is not a column{hint}"));
        }
        let url = url?;
        let store = match url.text.split_once(':') {
            Some(("sqlite", path)) => {
                Some(Store::Sqlite(sqlite::Sqlite::new(section.file.path(path))))
            }
            Some(("postgres" | "postgresql", _)) => {
                let store = postgres::Postgres::new(&url.text);
                // Do not show the URL: it holds a password.
                store
                    .map_err(|error| {
                        section.fault(&url.span, format_args!("url can't be used: {error}"));
                    })
                    .ok()
                    .map(|store| Store::Postgres(Box::new(store)))
            }
            _ => {
                section.fault(&url.span, "url begins with neither sqlite: nor postgres://");
                None
            }
        };
        let (store, table, key) = (store?, table?, key?);
        let statements = store.statements(&table, &key, update, &columns);
        Some(Self {
            store,
            statements,
            columns,
            table,
        })
    }

    pub(super) fn prepare(&self, values: &Value) -> Result<Row, RenderError> {
        let cells = self.columns.iter().map(|column| {
            let value = column.value.value(values)?;
            let json = if value.is_undefined() {
                Json::Null
            } else {
                column.value.json(values)?
            };
            column.kind.cell(&json).ok_or_else(|| {
                RenderError::new(format!(
                    "column {}: {json} is not {}",
                    column.name,
                    column.kind.name()
                ))
            })
        });
        Ok(Row {
            insert: self.statements.insert.clone(),
            cells: cells.collect::<Result<_, _>>()?,
        })
    }

    pub(super) async fn perform(&self, row: Row) -> Outcome {
        let mut written = self.store.write(&row.insert, &row.cells).await;
        if matches!(written, Err(RowError::NoTable)) {
            let created = self.store.create(&self.statements.create).await;
            written = self.store.write(&row.insert, &row.cells).await;
            // Another row's action may have created the table at the same moment, which makes our
            // own attempt fail: what counts is whether the table exists now.
            if let (Err(RowError::NoTable), Err(error)) = (&written, created) {
                written = Err(error.of_table());
            }
        }
        let table = &self.table;
        match written {
            Ok(0) => Outcome::done(format!("{table} already had the row")),
            Ok(_) => Outcome::done(format!("a row in {table}")),
            Err(RowError::Values(reason)) => Outcome::Refused {
                reason: format!("{table}: {reason}"),
            },
            // Its key ensures that a row is written only once, however often it is tried: there is
            // no doubt.
            Err(RowError::Other(reason)) => Outcome::failed(format!("{table}: {reason}")),
            Err(RowError::NoTable) => Outcome::failed(format!("there is no table {table}")),
        }
    }
}

impl Store {
    async fn write(&self, insert: &str, cells: &[Cell]) -> Result<u64, RowError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(insert, cells).await,
            Self::Postgres(postgres) => postgres.write(insert, cells).await,
        }
    }

    async fn create(&self, create: &str) -> Result<(), RowError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(create, &[]).await.map(drop),
            Self::Postgres(postgres) => postgres.write(create, &[]).await.map(drop),
        }
    }

    fn statements(&self, table: &str, key: &str, update: bool, columns: &[Column]) -> Statements {
        let sql_type = |kind| match self {
            Self::Sqlite(_) => sqlite::sql_type(kind),
            Self::Postgres(_) => postgres::sql_type(kind),
        };
        let table = quoted(table);
        let (mut declared, mut names, mut places) = (String::new(), String::new(), String::new());
        let mut changes = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let name = quoted(&column.name);
            let kind = sql_type(column.kind);
            let place = index + 1;
            let _ = write!(declared, "{name} {kind}, ");
            let _ = write!(names, "{comma}{name}");
            let _ = match self {
                Self::Sqlite(_) => write!(places, "{comma}?{place}"),
                // Passed as text: Postgres parses it as the column's type.
                Self::Postgres(_) => write!(places, "{comma}cast(${place}::text as {kind})"),
            };
            if column.name != key {
                changes.push(format!("{name} = excluded.{name}"));
            }
        }
        let key = quoted(key);
        let conflict = if update && !changes.is_empty() {
            format!("do update set {}", changes.join(", "))
        } else {
            "do nothing".to_owned()
        };
        Statements {
            create: format!("create table if not exists {table} ({declared}primary key ({key}))"),
            insert: format!(
                "insert into {table} ({names}) values ({places}) on conflict ({key}) {conflict}"
            ),
        }
    }
}

/// Quotes a name from the file as an identifier; a table's name may have a schema before a full
/// stop.
fn quoted(name: &str) -> String {
    let parts = name.split('.').map(|part| format!("\"{part}\""));
    parts.collect::<Vec<_>>().join(".")
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && is_identifier(name)
}

fn name(section: &Section<'_>, key: &'static str) -> Option<String> {
    let text = section.required(key)?;
    let parts_max = if key == "table" { 2 } else { 1 };
    let parts: Vec<&str> = text.text.split('.').collect();
    if parts.len() <= parts_max && parts.iter().all(|part| is_name(part)) {
        return Some(text.text);
    }
    let given = &text.text;
    section.fault(
        &text.span,
        format_args!("{key} \"{given}\" is invalid: use letters, digits and _"),
    );
    None
}

fn columns(keys: &Keys<'_>) -> Vec<Column> {
    let mut columns = Vec::new();
    let Some(table) = keys.section.section("columns") else {
        let section = keys.section;
        section.fault(
            &section.span,
            "columns is missing here: columns.NAME = { type = \"integer\", value = \"data\" }",
        );
        return columns;
    };
    for (name, value) in table.entries() {
        if !is_name(&name.text) {
            table.fault(
                &name.span,
                format_args!(
                    "column \"{}\" is invalid: use letters, digits and _",
                    name.text
                ),
            );
        }
        let Some(column) = table.entry_section(&name, value) else {
            continue;
        };
        let kind = column.required("type").and_then(|kind| {
            let named = Type::ALL.into_iter().find(|(name, _)| *name == kind.text);
            if named.is_none() {
                let hint = suggestion(&kind.text, Type::ALL.into_iter().map(|(name, _)| name));
                column.fault(&kind.span, format_args!("type is \"{}\"{hint}", kind.text));
            }
            named.map(|(_, kind)| kind)
        });
        let value = column
            .required_raw("value")
            .and_then(|value| keys.checked_expression(&value, &value.text));
        column.finish();
        if let (Some(kind), Some(value)) = (kind, value) {
            columns.push(Column {
                name: name.text,
                kind,
                value,
            });
        }
    }
    if columns.len() > COLUMNS_MAX {
        table.fault(
            &table.span,
            format_args!(
                "there are {} columns; the limit is {COLUMNS_MAX}",
                columns.len()
            ),
        );
    }
    columns
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.insert)?;
        for (index, cell) in self.cells.iter().enumerate() {
            let place = index + 1;
            match cell {
                Cell::Null => write!(f, "\n{place}: null")?,
                Cell::Text(text) => write!(f, "\n{place}: {text:?}")?,
                Cell::Integer(number) => write!(f, "\n{place}: {number}")?,
                Cell::Real(number) => write!(f, "\n{place}: {number}")?,
                Cell::Boolean(flag) => write!(f, "\n{place}: {flag}")?,
            }
        }
        Ok(())
    }
}
