//! Everything that the engine asks of its store besides storing events and outcomes. What an ask
//! changes is kept whole or not at all; its answer comes once that is on disk.

#[cfg(feature = "testing")]
use std::sync::mpsc;
use std::{sync::Arc, time::Duration};

use url::Url;

#[cfg(feature = "sqlite")]
use super::sqlite::act::Act;
use super::{delivery_error::DeliveryError, endpoint_error::EndpointError, reply::Reply};
use crate::{
    delivery::EndReason,
    endpoint::{AddedEndpoint, Endpoint, change::EndpointChange, new::NewEndpoint},
    model::{
        delivery::DeliveryOf,
        endpoint::{EndpointOf, StateChange},
        outbox_rows::TakenRows,
    },
    outbox::Outbox,
    secret::Secret,
};

/// What an engine that ends lets go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetGoOf {
    /// Whatever it has, also of endpoints that memory knows nothing of.
    All,
    /// What memory still has.
    Memory,
}

/// One ask.
pub(crate) enum Ask {
    /// The next rows of an outbox's lane.
    Refill(Arc<Outbox>),
    /// What is due: single retries, and lanes, of those in trouble no more than this. Answers
    /// when to come back.
    Scan(usize, Reply<Option<i64>>),
    /// A slice of what is deleted in time. True when there is more.
    Maintain(Reply<bool>),
    /// Where the timeline stands, which every transaction stores when it has changed.
    NoteClock(Reply<()>),
    /// What waits in memory is for other engines on the same store, if there are any: no further request
    /// is started here. Answers whether there is more to let go of when requests in flight have ended.
    LetGo(LetGoOf, Reply<bool>),
    /// Lanes, by their endpoints' keys, of which this engine has those that are other engines' favourites pass to
    /// them.
    #[cfg(feature = "postgres")]
    GiveBack(Vec<i64>, Reply<()>),
    /// Notes that the engine stops. Answers how much is owed, behind every outcome queued before.
    Stop(Reply<u64>),
    /// When the next single retry, or lane of an endpoint that is not in trouble, is due.
    NextDueOfHealthy(Reply<Option<i64>>),
    /// When anything is due next, and how many deliveries in memory wait for the clock.
    #[cfg(feature = "testing")]
    NextDue(Reply<(Option<i64>, usize)>),
    /// Answers at once, and then waits until nobody holds the other end.
    #[cfg(feature = "testing")]
    Hold(Reply<()>, mpsc::Receiver<()>),

    /// To a customer, checked.
    Add(
        String,
        Box<NewEndpoint>,
        Url,
        Reply<AddedEndpoint, EndpointError>,
    ),
    Edit(
        EndpointOf,
        Box<EndpointChange>,
        Reply<Endpoint, EndpointError>,
    ),
    Remove(EndpointOf, Reply<(), EndpointError>),
    /// Answers whether anything changed.
    ChangeState(EndpointOf, StateChange, Reply<bool, EndpointError>),
    /// Those before sign beside it for so long.
    RotateSecret(EndpointOf, Secret, Duration, Reply<Secret, EndpointError>),
    /// By its number.
    EndSecret(EndpointOf, u32, Reply<(), EndpointError>),

    Resend(DeliveryOf, Reply<(), DeliveryError>),
    /// Answers whether a request may be in flight.
    TakeAway(DeliveryOf, EndReason, Reply<bool, DeliveryError>),
    /// The event that an ordered endpoint's deliveries wait for, by the endpoint's key.
    Head(i64, Reply<Option<String>>),
    /// Owes events to the endpoint of a key once more. Answers how many.
    OweAgain(i64, Vec<i64>, Reply<usize>),

    /// Makes events of what waits in the outbox table.
    TakeRows(Reply<TakenRows>),
    /// Makes a refused row wait again. False when there is none of this id.
    RetryRow(i64, Reply<bool>),

    /// An app's own transaction, or a read of a database in memory: what only SQLite has.
    #[cfg(feature = "sqlite")]
    Sqlite(Act),
}
