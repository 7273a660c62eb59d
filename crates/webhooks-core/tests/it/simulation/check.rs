//! The promises, of which each is looked at when a history is over.

use std::collections::HashSet;

use webhooks_core::DeliveryState;

use super::{ATTEMPTS, Simulation};

impl Simulation {
    pub(super) async fn check(&self) {
        for party in &self.parties {
            let arrived = party.receiver.event_ids();
            let mut first = HashSet::new();
            let firsts: Vec<&String> = arrived
                .iter()
                .filter(|id| first.insert((*id).clone()))
                .collect();
            for event in &party.acknowledged {
                let deliveries = self
                    .webhooks()
                    .deliveries(&party.customer, event)
                    .await
                    .unwrap();
                // An event sent after its only endpoint was removed is owed to nobody.
                let Some(delivery) = deliveries.first() else {
                    assert!(party.removed, "{event} has no delivery");
                    continue;
                };
                match &delivery.state {
                    DeliveryState::Delivered { .. } => {
                        assert!(first.contains(event), "{event} is said to be delivered");
                    }
                    DeliveryState::Ended { .. } => {}
                    state => panic!("{event} is left {state:?}"),
                }
                let attempts = party.arrivals(event);
                // A schedule for the event and one for each resend; what is in flight at a restart
                // is made again.
                let schedules = 1 + party.resent.get(event).copied().unwrap_or_default();
                assert!(
                    attempts <= schedules * ATTEMPTS + self.restarts,
                    "{event} came {attempts} times"
                );
                if self.restarts == 0 {
                    assert_eq!(delivery.attempts.len(), attempts, "{event} is on record");
                }
                if let Some(before) = party.canceled.get(event) {
                    assert_eq!(attempts, *before, "{event} came after it was canceled");
                }
            }
            for id in &arrived {
                assert!(!self.refused.contains(id), "{id} was refused, and came");
                assert!(
                    party.acknowledged.contains(id),
                    "{id} came to {} and is not theirs",
                    party.customer
                );
            }
            if party.ordered {
                let place = |id: &String| {
                    party
                        .acknowledged
                        .iter()
                        .position(|other| other == id)
                        .unwrap()
                };
                assert!(
                    firsts.is_sorted_by_key(|id| place(id)),
                    "out of order: {firsts:?}\nafter: {}",
                    self.history.join(", ")
                );
                // Retries too: only a restart makes requests again that later ones had followed.
                assert!(
                    self.restarts > 0 || arrived.is_sorted_by_key(place),
                    "out of order: {arrived:?}\nafter: {}",
                    self.history.join(", ")
                );
            }
        }
    }
}
