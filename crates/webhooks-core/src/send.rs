//! What a send takes, and what it returns.

use crate::{
    event::{Event, EventError, PreparedEvent},
    store::error::StoreError,
};

/// The maximum number of events in one [`Webhooks::send_all`](crate::Webhooks::send_all).
pub const SEND_ALL_MAX: usize = 1_000;

/// The maximum number of bytes of all bodies together in one [`Webhooks::send_all`](crate::Webhooks::send_all).
pub const SEND_ALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What `send` stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReceipt {
    /// The event's id: the one given by the caller, or a generated UUID.
    pub event_id: String,
    /// How many endpoints it goes to, 0 if none wants it; for a duplicate, how many deliveries are on record.
    pub deliveries: usize,
    /// The same event was sent before; nothing was added.
    pub duplicate: bool,
}

/// An event was not stored.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The event or the customer is invalid.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The customer has already sent a different event under this id.
    #[error("event {0:?} was sent before with other content; use another id")]
    Conflict(String),
    /// Another transaction, which is still open, is storing an event under this id or, if several were sent in one
    /// call, under the id of one of the others; nothing was stored.
    #[error(
        "event {0:?}, or one sent with it, is being stored by another transaction that is still open; nothing was stored. Send it again when that transaction has ended"
    )]
    Busy(String),
    /// More than one call can take.
    #[error(
        "{events} events of {bytes} bytes are too many for one call: the limits are {SEND_ALL_MAX} events and {SEND_ALL_BYTES_MAX} bytes"
    )]
    TooMany {
        /// The number of events.
        events: usize,
        /// The bytes of all bodies together.
        bytes: usize,
    },
    /// The store is a SQLite file.
    #[cfg(feature = "postgres")]
    #[error("Webhooks::send_in is for Postgres; on SQLite use Webhooks::transaction")]
    NotPostgres,
    /// The store refused; nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

crate::error_text::debug_is_display!(SendError);

/// Checks the events of one call.
pub(crate) fn prepare_all(
    events: impl IntoIterator<Item = Event>,
) -> Result<Vec<PreparedEvent>, SendError> {
    let events = events
        .into_iter()
        .map(Event::prepare)
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = events.iter().map(|event| event.body.len()).sum();
    if events.len() > SEND_ALL_MAX || bytes > SEND_ALL_BYTES_MAX {
        return Err(SendError::TooMany {
            events: events.len(),
            bytes,
        });
    }
    Ok(events)
}
