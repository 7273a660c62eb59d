//! The schema that the tables are in.

use super::session::Statement;

/// The name as our statements contain it.
const NAME_IN_SQL: &str = "webhooks.";
/// The longest name that Postgres does not truncate.
const NAME_BYTES_MAX: usize = 63;

/// The schema that the tables are in.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    name: String,
}

impl Default for Schema {
    fn default() -> Self {
        Self {
            name: "webhooks".to_owned(),
        }
    }
}

impl Schema {
    /// Accepts a name that needs no quotes, because it is put into statements as it is.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let goes_on = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if begins && goes_on && name.len() <= NAME_BYTES_MAX && !name.starts_with("pg_") {
            return Ok(Self {
                name: name.to_owned(),
            });
        }
        Err(format!(
            "schema={name:?} is invalid: use 1 to {NAME_BYTES_MAX} of the characters a-z, 0-9 and _, \
             not beginning with a digit or with pg_"
        ))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A statement for this schema; in our source the name is `webhooks`.
    pub(crate) fn sql(&self, statement: &str) -> String {
        if self.name == "webhooks" {
            return statement.to_owned();
        }
        statement.replace(NAME_IN_SQL, &format!("{}.", self.name))
    }

    /// A statement to which values can be bound.
    pub(crate) fn query(&self, statement: &'static str) -> Statement {
        if self.name == "webhooks" {
            return Statement::new(statement);
        }
        // The name was checked, the statement is ours.
        Statement::built(self.sql(statement))
    }
}
