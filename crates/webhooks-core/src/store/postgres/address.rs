//! The address of a Postgres database, with our own parameters.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::schema::Schema;
use crate::{address::credentials::hide_credentials, store::open_error::OpenError};

/// Where a store in Postgres is, and how it is reached.
#[derive(Clone)]
pub(crate) struct PostgresAddress {
    pub(crate) options: PgConnectOptions,
    pub(crate) schema: Schema,
    pub(crate) mode: Mode,
    /// As it is shown to people.
    pub(crate) shown: String,
}

/// What is between the engine and Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing.
    Direct,
    /// A pooler that assigns a connection for each transaction: unnamed statements, no session settings,
    /// no LISTEN.
    Pooled,
}

impl PostgresAddress {
    /// `postgres://…` as in sqlx, with two parameters of ours: `schema` (the name of the schema, `webhooks`
    /// unless given) and `mode` (`direct`, or `pooled` behind a pooler in transaction mode).
    pub(crate) fn parse(address: &str) -> Result<Self, OpenError> {
        // An address that cannot be parsed may contain a password.
        let refused = |problem: String| OpenError::PostgresAddress { problem };
        let mut url = Url::parse(address).map_err(|error| refused(error.to_string()))?;
        let mut schema = Schema::default();
        let mut mode = Mode::Direct;
        let mut theirs = Vec::new();
        for (name, value) in url.query_pairs() {
            match &*name {
                "schema" => schema = Schema::parse(&value).map_err(refused)?,
                "mode" => {
                    mode = match &*value {
                        "direct" => Mode::Direct,
                        "pooled" => Mode::Pooled,
                        other => {
                            return Err(refused(format!(
                                "mode={other:?} is unknown: use direct, or pooled behind a pooler in transaction mode"
                            )));
                        }
                    }
                }
                _ => theirs.push((name.into_owned(), value.into_owned())),
            }
        }
        url.set_query(None);
        let shown = hide_credentials(&url);
        if !theirs.is_empty() {
            url.query_pairs_mut().extend_pairs(&theirs);
        }
        let options =
            PgConnectOptions::from_str(url.as_str()).map_err(|error| refused(error.to_string()))?;
        Ok(Self {
            options,
            schema,
            mode,
            shown,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_taken_out_of_the_address() {
        let address = PostgresAddress::parse(
            "postgres://app:secret@db.example:5433/shop?schema=hooks&sslmode=disable&mode=pooled",
        )
        .unwrap();
        assert_eq!(address.options.get_host(), "db.example");
        assert_eq!(address.options.get_port(), 5433);
        assert_eq!(address.options.get_database(), Some("shop"));
        assert_eq!(address.mode, Mode::Pooled);
        assert_eq!(address.schema.sql("webhooks.node"), "hooks.node");
        assert!(!address.shown.contains("secret"), "{}", address.shown);
    }

    #[test]
    fn a_schema_that_needs_quotes_and_a_mode_that_is_unknown_are_refused_without_the_password() {
        for (query, told) in [
            ("schema=My%20Hooks", "My Hooks"),
            ("mode=session", "session"),
        ] {
            let address = format!("postgres://app:secret@db.example/shop?{query}");
            let refused = PostgresAddress::parse(&address).err().unwrap().to_string();
            assert!(refused.contains(told), "{refused}");
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
