//! A value of a row, and the types that a column can have.

use jiff::Timestamp;
use serde_json::Value as Json;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Integer,
    Real,
    Boolean,
    Json,
    Timestamp,
}

impl Type {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("real", Self::Real),
        ("boolean", Self::Boolean),
        ("json", Self::Json),
        ("timestamp", Self::Timestamp),
    ];

    pub(super) fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, kind)| *kind == self)
            .map_or("a value", |(name, _)| name)
    }

    /// The value as this type; `None` when it cannot be converted.
    pub(super) fn cell(self, value: &Json) -> Option<Cell> {
        if value.is_null() {
            return Some(Cell::Null);
        }
        Some(match self {
            Self::Text => Cell::Text(match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            }),
            Self::Json => Cell::Text(value.to_string()),
            Self::Integer => Cell::Integer(
                value
                    .as_i64()
                    .or_else(|| value.as_str()?.trim().parse().ok())?,
            ),
            Self::Real => Cell::Real(
                value
                    .as_f64()
                    .or_else(|| value.as_str()?.trim().parse().ok())?,
            ),
            Self::Boolean => Cell::Boolean(value.as_bool()?),
            Self::Timestamp => {
                let at = match value.as_i64() {
                    Some(seconds) => Timestamp::from_second(seconds).ok()?,
                    None => value.as_str()?.parse().ok()?,
                };
                Cell::Text(at.to_string())
            }
        })
    }
}

/// One value, of its column's type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Integer(i64),
    Real(f64),
    Boolean(bool),
}
