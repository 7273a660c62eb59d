//! New events, as columns.

use bytes::Bytes;

use super::session::Statement;
use crate::event::PreparedEvent;

/// New events, as columns.
#[derive(Default)]
pub(super) struct NewEvents {
    pub(super) seqs: Vec<i64>,
    pub(super) ids: Vec<String>,
    pub(super) customers: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) bodies: Vec<Bytes>,
    pub(super) traceparents: Vec<Option<String>>,
}

impl NewEvents {
    /// Numbers, ids, customers, types, bodies, traceparents.
    pub(super) fn bind_to(&self, statement: Statement) -> Statement {
        let bodies: Vec<&[u8]> = self.bodies.iter().map(|body| &body[..]).collect();
        statement
            .bind(&self.seqs)
            .bind(&self.ids)
            .bind(&self.customers)
            .bind(&self.types)
            .bind(&bodies)
            .bind(&self.traceparents)
    }

    /// As they were sent, each with its customer. None had an id of its caller's choice.
    pub(super) fn into_events(self) -> impl Iterator<Item = (String, PreparedEvent)> {
        let ids_and_types = self.ids.into_iter().zip(self.types);
        let contents = self.bodies.into_iter().zip(self.traceparents);
        let events = ids_and_types
            .zip(contents)
            .map(|((id, event_type), (body, traceparent))| PreparedEvent {
                id,
                is_id_chosen: false,
                event_type,
                body,
                traceparent,
            });
        self.customers.into_iter().zip(events)
    }
}
