//! The filters of the list: the contents of their fields, and the query that links keep.

use crate::api::query::{Query, given};

/// The contents of the filter fields.
#[derive(Default)]
pub(super) struct Filters {
    pub(super) q: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: String,
    pub(super) event: String,
    pub(super) signature: String,
    pub(super) scope: String,
    pub(super) delivery: String,
    /// The query for links that keep them: begins with ? if there are any.
    pub(super) query: String,
}

impl Filters {
    pub(super) fn of(query: &Query) -> Self {
        let text = |field| given(field).unwrap_or_default().to_owned();
        let mut filters = Self {
            q: text(&query.q),
            method: text(&query.method),
            path: text(&query.path),
            status: text(&query.status),
            event: text(&query.event),
            signature: text(&query.signature),
            scope: text(&query.scope),
            delivery: text(&query.delivery),
            query: String::new(),
        };
        let set = filters.fields().filter(|(_, value)| !value.is_empty());
        let encoded = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(set)
            .finish();
        if !encoded.is_empty() {
            filters.query = format!("?{encoded}");
        }
        filters
    }

    /// The filters that are set, each with the query without it.
    pub(super) fn chips(&self) -> Vec<(&'static str, &str, String)> {
        let set = self.fields().filter(|(_, value)| !value.is_empty());
        set.map(|(name, value)| {
            let others = self
                .fields()
                .filter(|(other, text)| *other != name && !text.is_empty());
            let mut query = form_urlencoded::Serializer::new(String::new());
            (
                name,
                value,
                format!("/?{}", query.extend_pairs(others).finish()),
            )
        })
        .collect()
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("q", self.q.as_str()),
            ("method", &self.method),
            ("path", &self.path),
            ("status", &self.status),
            ("event", &self.event),
            ("signature", &self.signature),
            ("scope", &self.scope),
            ("delivery", &self.delivery),
        ]
        .into_iter()
    }

    /// Whether only a scope is chosen, which may be an empty one.
    pub(super) fn is_scope_alone(&self) -> bool {
        !self.scope.is_empty() && !self.query.contains('&')
    }

    /// Whether any filter is set.
    pub(super) fn any(&self) -> bool {
        !self.query.is_empty()
    }
}
