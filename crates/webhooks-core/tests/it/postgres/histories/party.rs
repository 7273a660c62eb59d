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
    /// One node sends to it for the time being, whatever its kind.
    pub(super) limited: bool,
    pub(super) removed: bool,
    /// In the order of their answers or commits.
    pub(super) acknowledged: Vec<String>,
    /// Of those that were sent a while before: how many others were acknowledged by then.
    pub(super) sent_at: HashMap<String, usize>,
    /// Whose senders were told that this is not known.
    pub(super) unknown: HashSet<String>,
    /// There are such with ids of ours, which their senders were not told.
    pub(super) unnamed: bool,
    /// Whose senders were told that they are not stored.
    pub(super) refused: HashSet<String>,
    /// How often each event was sent again by hand.
    pub(super) resent: HashMap<String, usize>,
    /// Canceled while no node had it in memory, and how many requests had arrived then.
    pub(super) canceled: HashMap<String, usize>,
    /// How many of the first requests of an event fail.
    failures: HashMap<String, usize>,
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
            limited: false,
            removed: false,
            acknowledged: Vec::new(),
            sent_at: HashMap::new(),
            unknown: HashSet::new(),
            unnamed: false,
            refused: HashSet::new(),
            resent: HashMap::new(),
            canceled: HashMap::new(),
            failures: HashMap::new(),
        }
    }

    /// Whose it is, and its id.
    pub(super) fn named(&self) -> (String, EndpointId) {
        (self.customer.clone(), self.id.clone())
    }

    /// Of the requests with an event so many fail, the first ones.
    pub(super) fn fails(&mut self, event: &str, failures: usize) {
        self.failures.insert(event.to_owned(), failures);
    }

    /// Whether it is one whose id somebody was told.
    pub(super) fn knows(&self, event: &str) -> bool {
        is_drawn(event) || self.acknowledged.iter().any(|known| known == event)
    }

    /// The events of which somebody knows that they are stored, or may be.
    pub(super) fn known(&self) -> Vec<String> {
        let unknown = self.unknown.iter();
        self.acknowledged.iter().chain(unknown).cloned().collect()
    }

    /// It is no longer one that must not come, and has another schedule.
    pub(super) fn is_owed_again(&mut self, event: &str) {
        self.canceled.remove(event);
        *self.resent.entry(event.to_owned()).or_default() += 1;
    }

    /// Its own, and one for each time that it was sent again.
    pub(super) fn schedules(&self, event: &str) -> usize {
        1 + self.resent.get(event).copied().unwrap_or_default()
    }

    /// How many requests of each event came.
    pub(super) fn arrivals(&self) -> HashMap<String, usize> {
        let mut arrivals = HashMap::new();
        for event in self.receiver.event_ids() {
            *arrivals.entry(event).or_default() += 1;
        }
        arrivals
    }

    /// Of the requests with an event that came, those that were answered with a success.
    pub(super) fn successes(&self, event: &str, arrivals: usize) -> usize {
        let failures = self.failures.get(event).copied().unwrap_or_default();
        arrivals.saturating_sub(failures)
    }

    pub(super) fn requests(&self) -> usize {
        self.receiver.event_ids().len()
    }

    /// Whether it is one that a sender was told is stored, or may be.
    pub(super) fn may_get(&self, id: &str) -> bool {
        self.acknowledged.iter().any(|other| other == id)
            || self.unknown.contains(id)
            || self.unnamed && !is_drawn(id)
    }

    /// Whether no event came before one that was acknowledged when it was sent.
    pub(super) fn is_in_order(&self, firsts: &[&String]) -> bool {
        let mut sent_at_most = 0;
        firsts.iter().all(|id| {
            let Some(place) = self.acknowledged.iter().position(|other| other == *id) else {
                return true;
            };
            let sent_at = self.sent_at.get(*id).copied().unwrap_or(place);
            let in_order = place >= sent_at_most;
            sent_at_most = sent_at_most.max(sent_at);
            in_order
        })
    }
}

/// Whether an event's id was given by a history.
fn is_drawn(id: &str) -> bool {
    let number = id.strip_prefix('e');
    number.is_some_and(|number| number.parse::<usize>().is_ok())
}
