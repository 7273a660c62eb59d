//! Everything that the engine asks of its store besides storing events and outcomes. The changes of an
//! ask are stored completely or not at all; its answer is given once they are on disk.

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

/// What an engine that shuts down releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetGoOf {
    /// Everything it has, including what belongs to endpoints that memory knows nothing of.
    All,
    /// What memory still has.
    Memory,
}

/// When something is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextDue {
    /// A single retry, or a lane of an endpoint that is not in trouble.
    pub(crate) healthy: Option<i64>,
    /// A lane of an endpoint in trouble.
    pub(crate) in_trouble: Option<i64>,
}

impl NextDue {
    /// When the first of both is due.
    pub(crate) fn first(self) -> Option<i64> {
        self.healthy.into_iter().chain(self.in_trouble).min()
    }
}

/// One ask.
pub(crate) enum Ask {
    /// The next rows of an outbox's lane.
    Refill(Arc<Outbox>),
    /// What is due: single retries, and lanes, but no more than this number of lanes in trouble. Answers
    /// when to come back.
    Scan(usize, Reply<NextDue>),
    /// Deletes a slice of what has expired. True when there is more.
    Maintain(Reply<bool>),
    /// Where the timeline stands, which every transaction stores when it has changed.
    NoteClock(Reply<()>),
    /// Releases what waits in memory to other engines on the same store, if there are any: no further request
    /// is started here. Answers whether there is more to release once requests in flight have ended.
    LetGo(LetGoOf, Reply<bool>),
    /// Lanes, by their endpoints' keys: of these, this engine passes on those whose favourite is another engine.
    #[cfg(feature = "postgres")]
    GiveBack(Vec<i64>, Reply<()>),
    /// Records that the engine stops. Answers how many deliveries are pending, after every outcome queued before.
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
    /// The previous secrets keep signing alongside it for this long.
    RotateSecret(EndpointOf, Secret, Duration, Reply<Secret, EndpointError>),
    /// By its number.
    EndSecret(EndpointOf, u32, Reply<(), EndpointError>),

    Resend(DeliveryOf, Reply<(), DeliveryError>),
    /// Answers whether a request may be in flight.
    TakeAway(DeliveryOf, EndReason, Reply<bool, DeliveryError>),
    /// The event that an ordered endpoint's deliveries wait for, by the endpoint's key.
    Head(i64, Reply<Option<String>>),
    /// Makes events pending again for the endpoint with this key. Answers how many.
    Replay(i64, Vec<i64>, Reply<usize>),

    /// Turns what waits in the outbox table into events.
    TakeRows(Reply<TakenRows>),
    /// Makes a refused row wait again. False if there is none with this id.
    RetryRow(i64, Reply<bool>),

    /// An app's own transaction, or a read of a database in memory: what only SQLite has.
    #[cfg(feature = "sqlite")]
    Sqlite(Act),
}
