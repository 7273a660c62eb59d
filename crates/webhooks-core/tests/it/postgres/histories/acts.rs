//! What people do to an endpoint and its deliveries in the middle of it all, at any node.

use std::num::NonZeroU32;

use rand::{RngExt, seq::IndexedRandom};
use tokio::time::Instant;
use webhooks_core::{EndpointChange, EndpointError, Replay, ReplayOutcome};

use super::{
    DRAIN_WAIT, History, IDLE_MAX,
    member::{Member, SCHEMA},
    party::Kind,
};

/// What a person does to an endpoint.
enum Change {
    Pause,
    Resume,
    Edit(EndpointChange),
    Remove,
}

impl History {
    pub(super) async fn pause_or_resume(&mut self, party: usize) {
        if self.parties[party].removed {
            return;
        }
        let paused = !self.parties[party].paused;
        let word = if paused { "pause" } else { "resume" };
        self.story.push(format!("{word} {party}"));
        self.set_paused(party, paused).await;
    }

    pub(super) async fn set_paused(&mut self, party: usize, paused: bool) {
        let change = if paused {
            Change::Pause
        } else {
            Change::Resume
        };
        self.change(party, &change).await;
        self.parties[party].paused = paused;
    }

    /// Has one node send to an endpoint that any may send to, or any again.
    pub(super) async fn limit_or_free(&mut self, party: usize) {
        let of = &self.parties[party];
        if of.kind != Kind::Plain || of.removed {
            return;
        }
        if of.limited {
            self.free(party).await;
            return;
        }
        let per_second = self.random.random_bool(0.5);
        let (limit, what) = if per_second {
            let often = NonZeroU32::new(1_000).unwrap();
            (EndpointChange::new().per_second(often), "the rate of")
        } else {
            (EndpointChange::new().in_flight(2), "requests in flight of")
        };
        self.story.push(format!("limit {what} {party}"));
        self.change(party, &Change::Edit(limit)).await;
        self.parties[party].limited = true;
    }

    pub(super) async fn free(&mut self, party: usize) {
        self.story.push(format!("free {party}"));
        let free = EndpointChange::new().in_flight(None).per_second(None);
        self.change(party, &Change::Edit(free)).await;
        self.parties[party].limited = false;
    }

    pub(super) async fn remove(&mut self, party: usize) {
        if self.parties[party].removed {
            return;
        }
        self.story.push(format!("remove {party}"));
        self.change(party, &Change::Remove).await;
        self.parties[party].removed = true;
    }

    /// Asks whichever node can, until one does.
    async fn change(&mut self, party: usize, change: &Change) {
        self.mend_fault().await;
        if self.members.iter().all(|member| member.is_cut) {
            self.members[0].mend();
        }
        let of = &self.parties[party];
        let until = Instant::now() + IDLE_MAX;
        loop {
            assert!(Instant::now() < until, "no node changes an endpoint");
            let member = self.members.choose(&mut self.random).unwrap();
            if member.is_cut {
                continue;
            }
            let endpoints = member.webhooks.endpoints(&of.customer);
            let is_changed = match change {
                Change::Pause => endpoints.pause(&of.id).await.is_ok(),
                Change::Resume => endpoints.resume(&of.id).await.is_ok(),
                Change::Edit(edit) => endpoints.edit(&of.id, edit.clone()).await.is_ok(),
                // One whose answer was lost may have been made.
                Change::Remove => matches!(
                    endpoints.remove(&of.id).await,
                    Ok(()) | Err(EndpointError::Unknown { .. })
                ),
            };
            if is_changed {
                return;
            }
            tokio::time::sleep(DRAIN_WAIT).await;
        }
    }

    /// A node that reaches the database.
    fn any_well(&mut self) -> Option<&Member> {
        let well: Vec<&Member> = self.members.iter().filter(|of| !of.is_cut).collect();
        well.choose(&mut self.random).copied()
    }

    fn any_event(&mut self, party: usize) -> Option<String> {
        let of = &self.parties[party];
        of.acknowledged.choose(&mut self.random).cloned()
    }

    pub(super) async fn resend(&mut self, party: usize) {
        // An ordered endpoint gets it again after later ones.
        if self.parties[party].kind == Kind::Ordered || self.parties[party].removed {
            return;
        }
        let Some(event) = self.any_event(party) else {
            return;
        };
        self.story.push(format!("resend {event} to {party}"));
        self.parties[party].is_owed_again(&event);
        let (customer, id) = self.parties[party].named();
        let member = self.members.choose(&mut self.random).unwrap();
        // Whether it is owed again or not: both are well.
        let endpoints = member.webhooks.endpoints(customer);
        let _ = endpoints.resend(&id, &event).await;
    }

    pub(super) async fn replay(&mut self, party: usize) {
        if self.parties[party].kind == Kind::Ordered || self.parties[party].removed {
            return;
        }
        let outcome = *[ReplayOutcome::GivenUp, ReplayOutcome::Delivered]
            .choose(&mut self.random)
            .unwrap();
        self.story.push(format!("replay {outcome:?} of {party}"));
        let of = &mut self.parties[party];
        // Also those of which nobody knew that they are stored.
        for event in of.known() {
            of.is_owed_again(&event);
        }
        let replay = Replay {
            outcome,
            ..Replay::default()
        };
        let (customer, id) = self.parties[party].named();
        let member = self.members.choose(&mut self.random).unwrap();
        let endpoints = member.webhooks.endpoints(customer);
        let _ = endpoints.replay(&id, replay).await;
    }

    pub(super) async fn cancel(&mut self, party: usize) {
        let Some(event) = self.any_event(party) else {
            return;
        };
        let (customer, id) = self.parties[party].named();
        let Some(member) = self.any_well() else {
            return;
        };
        let endpoints = member.webhooks.endpoints(customer);
        let canceled = endpoints.cancel(&id, &event).await;
        self.story
            .push(format!("cancel {event} to {party}: {canceled:?}"));
        // No node had it in memory.
        if let Ok(false) = canceled {
            let of = &mut self.parties[party];
            let arrived = of.arrivals().get(&event).copied();
            of.canceled.insert(event, arrived.unwrap_or_default());
        }
    }

    pub(super) async fn skip(&mut self, party: usize) {
        if self.parties[party].kind != Kind::Ordered {
            return;
        }
        let (customer, id) = self.parties[party].named();
        let Some(member) = self.any_well() else {
            return;
        };
        let skipped = member.webhooks.endpoints(customer).skip(&id).await;
        self.story.push(format!("skip of {party}: {skipped:?}"));
    }

    /// A program puts a row into the outbox table.
    pub(super) async fn put_row(&mut self, party: usize) {
        let event = self.next_id();
        self.story
            .push(format!("{event} to {party}, as a row of the outbox table"));
        let of = &self.parties[party];
        let (customer, is_ordered) = (of.customer.clone(), of.kind == Kind::Ordered);
        let sent_at = of.acknowledged.len();
        if is_ordered {
            // What is sent before it is taken may arrive before it.
            self.mend_fault().await;
            if self.members.iter().all(|member| member.is_cut) {
                self.members[0].mend();
            }
        }
        let row = format!(
            "insert into {SCHEMA}.outbox (customer, type, data, event_id)
             values ('{customer}', 'a', '1', '{event}')"
        );
        tokio::task::block_in_place(|| self.database.query(&row)).unwrap();
        if is_ordered {
            let until = Instant::now() + IDLE_MAX;
            while self.rows_wait() {
                assert!(Instant::now() < until, "no node takes a row");
                if let Some(member) = self.any_well() {
                    let _ = member.webhooks.check_outbox().await;
                }
            }
        }
        self.acknowledge(party, event.clone());
        self.parties[party].sent_at.insert(event, sent_at);
    }

    /// Whether rows of the outbox table wait.
    pub(super) fn rows_wait(&self) -> bool {
        let rows = format!("select count(*) from {SCHEMA}.outbox where refused is null");
        let rows = tokio::task::block_in_place(|| self.database.query(&rows));
        rows.unwrap().trim() != "0"
    }
}
