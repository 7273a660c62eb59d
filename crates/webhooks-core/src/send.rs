//! What a send takes, and what comes of it.

use crate::{
    event::{Event, EventError, PreparedEvent},
    store::error::StoreError,
};

/// Most events of one [`Webhooks::send_all`](crate::Webhooks::send_all).
pub const SEND_ALL_MAX: usize = 1_000;

/// Most bytes of bodies of one [`Webhooks::send_all`](crate::Webhooks::send_all).
pub const SEND_ALL_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What `send` stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReceipt {
    /// The event's id: the caller's, or the UUID it was given.
    pub event_id: String,
    /// How many endpoints it is owed to, 0 when none wants it; for a duplicate, was owed to.
    pub deliveries: usize,
    /// The same event had been sent before; nothing was added.
    pub duplicate: bool,
}

/// An event was not stored.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The event or the customer is not valid.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The customer sent another event under this id before.
    #[error("event {0:?} was sent before with other content; use another id")]
    Conflict(String),
    /// Another transaction, which is still open, stores an event under this id or, of several in one call,
    /// one of the others; nothing was stored.
    #[error(
        "event {0:?}, or one sent with it, is being stored by another transaction, which is still open; nothing was stored. Send again when that is over"
    )]
    Busy(String),
    /// More than one call takes.
    #[error(
        "{events} events of {bytes} bytes are too many for one call: at most {SEND_ALL_MAX} of {SEND_ALL_BYTES_MAX} bytes"
    )]
    TooMany {
        /// How many events there were.
        events: usize,
        /// Bytes of all bodies together.
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
