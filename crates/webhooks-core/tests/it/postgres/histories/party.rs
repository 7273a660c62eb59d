//! One customer with one endpoint, and what it is owed.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use webhooks_core::{
    Clock, EndpointId, NewEndpoint, RetrySchedule,
    testing::{ManualClock, Receiver},
};

use super::member::Member;
use crate::world::seconds;

/// What an endpoint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any node sends to it.
    Plain,
    /// One node sends to it, in order.
    Ordered,
    /// One node sends to it, two requests at a time.
    Narrow,
}

/// One customer with one endpoint.
pub(super) struct Party {
    pub(super) customer: String,
    pub(super) id: EndpointId,
    pub(super) receiver: Receiver,
    pub(super) kind: Kind,
    pub(super) paused: bool,
    /// In the order of their sends, none of which began before the one before had its answer.
    pub(super) acknowledged: Vec<String>,
    /// Whose senders were told that this is not known.
    pub(super) unknown: HashSet<String>,
    /// Whose senders were told that they are not stored.
    pub(super) refused: HashSet<String>,
    /// How often each event was sent again by hand.
    pub(super) resent: HashMap<String, usize>,
}

impl Party {
    pub(super) async fn add(
        number: usize,
        kind: Kind,
        node: &Member,
        clock: &Arc<ManualClock>,
    ) -> Self {
        let customer = format!("customer{number}");
        let receiver = Receiver::start().await.unwrap();
        receiver.clock(Arc::clone(clock) as Arc<dyn Clock>);
        let schedule = RetrySchedule::new([5, 20, 60, 300, 1_200].map(seconds)).unwrap();
        let endpoint = NewEndpoint::new(receiver.url()).retry(&schedule);
        let endpoint = match kind {
            Kind::Plain => endpoint,
            Kind::Ordered => endpoint.ordered(true),
            Kind::Narrow => endpoint.in_flight(2),
        };
        let endpoints = node.webhooks.endpoints(&customer);
        Self {
            id: endpoints.add(endpoint).await.unwrap().id,
            customer,
            receiver,
            kind,
            paused: false,
            acknowledged: Vec::new(),
            unknown: HashSet::new(),
            refused: HashSet::new(),
            resent: HashMap::new(),
        }
    }

    pub(super) fn requests(&self) -> usize {
        self.receiver.event_ids().len()
    }
}
