//! What people do to an endpoint and its deliveries in the middle of it all.

use rand::seq::IndexedRandom;
use webhooks_core::{EndpointChange, Replay, ReplayOutcome};

use super::{Party, Simulation};

impl Simulation {
    pub(super) async fn cancel(&mut self, party: usize) {
        self.history.push(format!("cancel {party}"));
        let Some(event) = self.any_event(party) else {
            return;
        };
        let Party { customer, id, .. } = &self.parties[party];
        if let Ok(false) = self.webhooks().endpoints(customer).cancel(id, &event).await {
            let party = &mut self.parties[party];
            let arrived = party.arrivals(&event);
            party.canceled.insert(event, arrived);
        }
    }

    pub(super) async fn pause_or_resume(&mut self, party: usize) {
        self.history.push(format!("pause or resume {party}"));
        if self.parties[party].removed {
            return;
        }
        let Party {
            customer,
            id,
            paused,
            ..
        } = &self.parties[party];
        let endpoints = self.webhooks().endpoints(customer);
        if *paused {
            endpoints.resume(id).await.unwrap();
        } else {
            endpoints.pause(id).await.unwrap();
        }
        self.parties[party].paused ^= true;
    }

    pub(super) async fn resend(&mut self, party: usize) {
        self.history.push(format!("resend {party}"));
        let Some(event) = self.any_event(party) else {
            return;
        };
        // A resend is a new obligation: the event is no longer one that must not come, and an
        // ordered endpoint gets it again after later ones.
        if self.parties[party].ordered || self.parties[party].removed {
            return;
        }
        self.is_owed_again(party, event.clone());
        let Party { customer, id, .. } = &self.parties[party];
        self.webhooks()
            .endpoints(customer)
            .resend(id, &event)
            .await
            .unwrap();
    }

    pub(super) async fn replay(&mut self, party: usize) {
        if self.parties[party].ordered || self.parties[party].removed {
            return;
        }
        self.history.push(format!("replay {party}"));
        for event in self.parties[party].acknowledged.clone() {
            self.is_owed_again(party, event);
        }
        let outcome = *[ReplayOutcome::GivenUp, ReplayOutcome::Delivered]
            .choose(&mut self.random)
            .unwrap();
        let replay = Replay {
            outcome,
            ..Replay::default()
        };
        let Party { customer, id, .. } = &self.parties[party];
        let endpoints = self.webhooks().endpoints(customer);
        endpoints.replay(id, replay).await.unwrap();
    }

    pub(super) async fn skip(&mut self, party: usize) {
        self.history.push(format!("skip {party}"));
        let Party { customer, id, .. } = &self.parties[party];
        self.webhooks().endpoints(customer).skip(id).await.unwrap();
    }

    /// Changes nothing, but has the endpoint read anew.
    pub(super) async fn update(&mut self, party: usize) {
        self.history.push(format!("update {party}"));
        let Party { customer, id, .. } = &self.parties[party];
        let endpoints = self.webhooks().endpoints(customer);
        endpoints.edit(id, EndpointChange::new()).await.unwrap();
    }

    pub(super) async fn remove(&mut self, party: usize) {
        self.history.push(format!("remove {party}"));
        self.parties[party].removed = true;
        let Party { customer, id, .. } = &self.parties[party];
        // It may have been removed before.
        let _ = self.webhooks().endpoints(customer).remove(id).await;
    }

    /// The event is no longer one that must not come, and has another schedule.
    fn is_owed_again(&mut self, party: usize, event: String) {
        self.parties[party].canceled.remove(&event);
        *self.parties[party].resent.entry(event).or_default() += 1;
    }

    fn any_event(&mut self, party: usize) -> Option<String> {
        self.parties[party]
            .acknowledged
            .choose(&mut self.random)
            .cloned()
    }
}
