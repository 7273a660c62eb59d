//! The query of every route that reads requests.

use serde::Deserialize;

use super::{error::ApiError, shared::Shared};
use crate::{redact::Redactor, scope, store::Filter};

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
    pub(crate) show_secrets: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) last_event_id: Option<String>,
    /// What an import did, for the page to show.
    pub(crate) imported: Option<String>,
    pub(crate) known: Option<String>,
    /// What the page of a request shows, and the request with which it is compared.
    pub(crate) tab: Option<String>,
    pub(crate) with: Option<String>,
}

/// A query field; an empty one counts as absent.
pub(crate) fn given(field: &Option<String>) -> Option<&str> {
    field.as_deref().filter(|value| !value.is_empty())
}

/// Whether a flag of the query is set.
fn is_true(field: &Option<String>) -> bool {
    given(field).is_some_and(|value| value == "true" || value == "1")
}

impl Query {
    pub(crate) fn filter(&self) -> Result<Filter, ApiError> {
        let text = |field| given(field).map(str::to_owned);
        if let Some(name) = given(&self.scope) {
            scope::check(name).map_err(ApiError::Query)?;
        }
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

    /// A number within a range, or the default.
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
                    "{name} is {text:?}; it must be a number from 1 to {most}"
                ))
            })
    }

    /// The redactor, unless secrets were asked for.
    pub(crate) fn redactor<'a>(&self, shared: &'a Shared) -> Option<&'a Redactor> {
        (!is_true(&self.show_secrets)).then_some(&*shared.polis.redactor)
    }

    /// Whether bodies should be included as well.
    pub(crate) fn wants_body(&self) -> bool {
        is_true(&self.body)
    }
}

fn parsed<T: std::str::FromStr<Err = String>>(
    field: &Option<String>,
) -> Result<Option<T>, ApiError> {
    given(field)
        .map(|text| text.parse().map_err(ApiError::Query))
        .transpose()
}
