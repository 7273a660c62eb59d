//! The filters of the list: what their fields hold, and the query that links keep.

use crate::api::query::{Query, given};

/// What the filter fields hold.
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
    /// For links that keep them: begins with ? when there are any.
    pub(super) query: String,
}

impl Filters {
    pub(super) fn of(query: &Query) -> Self {
        let text = |field| given(field).unwrap_or_default().to_owned();
        let mut encoded = form_urlencoded::Serializer::new(String::new());
        for (name, field) in [
            ("q", &query.q),
            ("method", &query.method),
            ("path", &query.path),
            ("status", &query.status),
            ("event", &query.event),
            ("signature", &query.signature),
            ("scope", &query.scope),
            ("delivery", &query.delivery),
        ] {
            if let Some(value) = given(field) {
                encoded.append_pair(name, value);
            }
        }
        let encoded = encoded.finish();
        Self {
            q: text(&query.q),
            method: text(&query.method),
            path: text(&query.path),
            status: text(&query.status),
            event: text(&query.event),
            signature: text(&query.signature),
            scope: text(&query.scope),
            delivery: text(&query.delivery),
            query: if encoded.is_empty() {
                encoded
            } else {
                format!("?{encoded}")
            },
        }
    }

    /// Whether any filter is set.
    pub(super) fn any(&self) -> bool {
        !self.query.is_empty()
    }
}
