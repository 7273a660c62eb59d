//! One customer with one endpoint, and what it is owed.

use std::collections::HashMap;

use webhooks_core::{EndpointId, NewEndpoint, RetrySchedule, testing::Receiver};

use crate::world::seconds;

pub(super) fn new_endpoint(receiver: &Receiver, ordered: bool) -> NewEndpoint {
    let schedule = RetrySchedule::new([5, 20, 60, 300, 1_200].map(seconds)).unwrap();
    NewEndpoint::new(receiver.url())
        .ordered(ordered)
        .retry(&schedule)
}

/// One customer with one endpoint.
pub(super) struct Party {
    pub(super) customer: String,
    pub(super) id: EndpointId,
    pub(super) receiver: Receiver,
    pub(super) ordered: bool,
    pub(super) paused: bool,
    pub(super) removed: bool,
    /// In commit order.
    pub(super) acknowledged: Vec<String>,
    /// Canceled while nothing was in flight, and how many requests had arrived then.
    pub(super) canceled: HashMap<String, usize>,
    /// How often each event was sent again by hand.
    pub(super) resent: HashMap<String, usize>,
}

impl Party {
    pub(super) fn requests(&self) -> usize {
        self.receiver.event_ids().len()
    }

    pub(super) fn arrivals(&self, event: &str) -> usize {
        self.receiver
            .event_ids()
            .iter()
            .filter(|id| *id == event)
            .count()
    }
}
