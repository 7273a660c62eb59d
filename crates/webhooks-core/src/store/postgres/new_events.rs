//! New events, as columns.

use bytes::Bytes;

use super::session::Statement;
use crate::event::PreparedEvent;

/// The columns of an event.
macro_rules! event_columns {
    () => {
        "(seq, day, id, customer, type, body, created_at, traceparent)"
    };
}
pub(super) use event_columns;

/// Inserts the events in the arrays of [`NewEvents::bind_to`]; `seq` is an expression for the number of each.
macro_rules! insert_events {
    ($seq:literal, day $day:literal, now $now:literal, from $($from:literal)?
     ($seqs:literal, $ids:literal, $customers:literal, $types:literal, $bodies:literal, $traceparents:literal)) => {
        concat!(
            "insert into webhooks.event ",
            $crate::store::postgres::new_events::event_columns!(),
            " select ", $seq, ", ", $day, ", id, customer, type, body, ", $now, ", traceparent
             from ", $($from, " cross join ",)?
            "unnest(", $seqs, "::int8[], ", $ids, "::text[], ", $customers, "::text[], ", $types, "::text[], ",
            $bodies, "::bytea[], ", $traceparents, "::text[])
                  as t(seq, id, customer, type, body, traceparent)"
        )
    };
}
pub(super) use insert_events;

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

    /// The events as they were sent, each with its customer. None had an id chosen by its caller.
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
