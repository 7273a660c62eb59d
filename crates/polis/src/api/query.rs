//! The query of every route that reads requests.

use axum::http::HeaderMap;
use serde::Deserialize;

use super::{Shared, error::ApiError};
use crate::{
    redact::Redactor,
    scope::{self, DEFAULT},
    store::Filter,
};

/// Which requests, and how they are shown. Empty values count as absent, so that a form's
/// empty fields do no harm.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Query {
    pub(crate) scope: Option<String>,
    pub(crate) q: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) signature: Option<String>,
    pub(crate) delivery: Option<String>,
    pub(crate) since: Option<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) count: Option<String>,
    pub(crate) timeout: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) show_secrets: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) last_event_id: Option<String>,
    /// What an import did, which the page then says.
    pub(crate) imported: Option<String>,
    pub(crate) known: Option<String>,
}

/// A query field; empty is absent.
pub(crate) fn given(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|value| !value.is_empty())
}

/// Whether a switch of the query is on.
fn is_true(field: &Option<String>) -> bool {
    given(field).is_some_and(|value| value == "true" || value == "1")
}

impl Query {
    pub(crate) fn filter(&self) -> Result<Filter, ApiError> {
        let text = |field| given(field).map(str::to_owned);
        Ok(Filter {
            scope: text(&self.scope),
            text: given(&self.q).map(str::to_ascii_lowercase),
            method: text(&self.method),
            path: text(&self.path),
            status: parsed(&self.status)?,
            event: text(&self.event),
            signature: parsed(&self.signature)?,
            delivery: text(&self.delivery),
            since: parsed(&self.since)?,
        })
    }

    /// A number within a range, or what is usual.
    pub(crate) fn number(
        field: &Option<String>,
        name: &str,
        usual: usize,
        most: usize,
    ) -> Result<usize, ApiError> {
        let Some(text) = given(field) else {
            return Ok(usual);
        };
        text.parse()
            .ok()
            .filter(|number| (1..=most).contains(number))
            .ok_or_else(|| {
                ApiError::Query(format!(
                    "{name} is {text:?}; it is a number from 1 to {most}"
                ))
            })
    }

    /// The redactor, unless secrets were asked for.
    pub(crate) fn redactor<'a>(&self, shared: &'a Shared) -> Option<&'a Redactor> {
        (!is_true(&self.show_secrets)).then_some(&*shared.polis.redactor)
    }

    /// Whether bodies are to be told as well.
    pub(crate) fn wants_body(&self) -> bool {
        is_true(&self.body)
    }

    /// The view token, from the query or the header.
    pub(crate) fn token<'a>(&'a self, headers: &'a HeaderMap) -> Option<&'a str> {
        given(&self.token).or_else(|| {
            headers
                .get("x-polis-token")
                .and_then(|value| value.to_str().ok())
        })
    }

    /// Refuses a scope that is asked for by name without its token.
    pub(crate) fn check_scope(&self, shared: &Shared, headers: &HeaderMap) -> Result<(), ApiError> {
        match given(&self.scope) {
            Some(name) => check(shared, name, self.token(headers)),
            None => Ok(()),
        }
    }
}

/// Refuses a scope whose token was not shown.
pub(crate) fn check(shared: &Shared, name: &str, token: Option<&str>) -> Result<(), ApiError> {
    if name != DEFAULT && !scope::is_name(name) {
        return Err(ApiError::Query(format!(
            "scope is {name:?}; a scope's name has up to 64 letters, digits, - and _"
        )));
    }
    match shared.polis.scopes.find(name) {
        Some(scope) if !scope.admits(token) => Err(ApiError::Token(name.to_owned())),
        _ => Ok(()),
    }
}

fn parsed<T: std::str::FromStr<Err = String>>(
    field: &Option<String>,
) -> Result<Option<T>, ApiError> {
    given(field)
        .map(|text| text.parse().map_err(ApiError::Query))
        .transpose()
}
