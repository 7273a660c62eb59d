//! Places: slots for requests in flight. They limit how many there are at once and decide whose turn is next.
//!
//! There are three shares, so that no endpoint waits for slower ones. The **fast** share is for endpoints that
//! answer quickly. A request there that takes longer than [`PLACE_LIMIT_MS`] is overdue: up to a limit it is
//! counted separately, its place becomes free again, and its endpoint is considered slow. The **slow** share is
//! for slow endpoints; it lends places to overdue requests. **Probes** are for endpoints in trouble. In each
//! share, waiting endpoints take turns, first by customer and then by endpoint.
//!
//! When thousands of endpoints begin to hang at once, each can only be recognised by a request that hangs, and
//! there are fewer places than endpoints. Part of the fast share is therefore reserved for endpoints that have
//! just answered: the less of it is left, the more recent their answer must be.
//!
//! Workers take places; nothing here knows about deliveries. No lock is held across an await.

pub(crate) mod occupant;
pub(crate) mod share;
pub(crate) mod state;
pub(crate) mod turns;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, futures::Notified, oneshot};

use occupant::Occupant;
use share::{Answer, Need, Shares};
use state::{Account, Grants, State};

/// The places for all requests.
pub(crate) struct Places {
    state: Mutex<State<Place>>,
    /// Signalled when an endpoint waits for the fast share.
    contended: Notify,
}

/// A place; it is given back when this is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    /// `None` once it is given back.
    holder: Option<usize>,
}

/// The result of asking for a place.
pub(crate) enum Asked {
    Place(Place),
    /// The place comes when it is this endpoint's turn.
    Wait(oneshot::Receiver<Place>),
}

impl Places {
    /// Places for at most `requests` requests at once: as many as there may be connections.
    pub(crate) fn new(requests: usize) -> Self {
        Self {
            state: Mutex::new(State::new(Shares::of(requests))),
            contended: Notify::new(),
        }
    }

    /// Takes a place at `now`, or waits for one. An endpoint must not wait twice at the same time.
    pub(crate) fn take(self: &Arc<Self>, occupant: &Arc<Occupant>, need: Need, now: i64) -> Asked {
        let mut state = self.state.lock();
        let grants = if state.pass_time(now) {
            state.grants()
        } else {
            Grants::new()
        };
        let account = match need {
            Need::Probe => Account::Probe,
            Need::Delivery if occupant.is_slow() => Account::Slow,
            Need::Delivery => Account::Fast,
        };
        let taken = if state.goes_at_once(occupant, account) {
            let holder = state.hold(occupant, account);
            Asked::Place(self.place(holder))
        } else {
            Asked::Wait(state.wait(occupant, account))
        };
        let is_contended = state.next_overdue().is_some();
        drop(state);
        if is_contended && matches!(taken, Asked::Wait(_)) {
            self.contended.notify_one();
        }
        self.hand_over(grants);
        taken
    }

    fn place(self: &Arc<Self>, holder: usize) -> Place {
        Place {
            places: Arc::clone(self),
            holder: Some(holder),
        }
    }

    /// Called without the lock, because a place that nobody takes any more is given back immediately.
    fn hand_over(self: &Arc<Self>, grants: Grants<Place>) {
        for (granted, holder) in grants {
            drop(granted.send(self.place(holder)));
        }
    }

    /// The number of free places for endpoints in trouble.
    pub(crate) fn free_probes(&self) -> usize {
        self.state.lock().free_probes()
    }

    /// Signalled when an endpoint waits for the fast share.
    pub(crate) fn contended(&self) -> Notified<'_> {
        self.contended.notified()
    }

    /// When the next request becomes overdue, if an endpoint waits for the fast share.
    pub(crate) fn next_overdue(&self) -> Option<i64> {
        self.state.lock().next_overdue()
    }

    /// Notes that it is `now`, although nobody has asked for a place.
    pub(crate) fn pass_time(self: &Arc<Self>, now: i64) {
        let grants = {
            let mut state = self.state.lock();
            state.pass_time(now);
            state.grants()
        };
        self.hand_over(grants);
    }

    /// Gives a place back. `answer` is the outcome of the request, and its time.
    fn release(self: &Arc<Self>, holder: usize, answer: Option<(i64, Answer)>) {
        let mut state = self.state.lock();
        if let Some((now, answer)) = answer {
            state.pass_time(now);
            state.note_answer(holder, answer);
        }
        state.let_go(holder);
        let grants = state.grants();
        let is_contended = !grants.is_empty() && state.next_overdue().is_some();
        drop(state);
        if is_contended {
            self.contended.notify_one();
        }
        self.hand_over(grants);
    }
}

impl Place {
    /// The request ended at `now`; its outcome says something about its endpoint.
    pub(crate) fn end(mut self, now: i64, answer: Answer) {
        if let Some(holder) = self.holder.take() {
            self.places.release(holder, Some((now, answer)));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(holder) = self.holder.take() {
            self.places.release(holder, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{share::PLACE_LIMIT_MS, *};

    /// Sixteen places: 4 open, 1 in reserve, 3 overdue, 6 slow, 2 probes.
    fn sixteen() -> Arc<Places> {
        Arc::new(Places::new(16))
    }

    fn occupant(customer: &str) -> Arc<Occupant> {
        Arc::new(Occupant::new(customer.into()))
    }

    fn have(taken: Asked) -> Place {
        match taken {
            Asked::Place(place) => place,
            Asked::Wait(_) => panic!("it has to wait"),
        }
    }

    fn wait(taken: Asked) -> oneshot::Receiver<Place> {
        match taken {
            Asked::Place(_) => panic!("it has a place"),
            Asked::Wait(grant) => grant,
        }
    }

    /// An endpoint whose last answers came in time, the last one at `now`.
    fn proven(places: &Arc<Places>, customer: &str, now: i64) -> Arc<Occupant> {
        let proven = occupant(customer);
        for _ in 0..8 {
            have(places.take(&proven, Need::Delivery, now)).end(now, Answer::Success);
        }
        proven
    }

    #[test]
    fn a_place_is_free_again_when_its_request_is_overdue() {
        let places = sixteen();
        let hanging: Vec<Place> = (0..4)
            .map(|_| have(places.take(&occupant("hangs"), Need::Delivery, 0)))
            .collect();
        let mut grant = wait(places.take(&occupant("well"), Need::Delivery, 100));
        assert!(grant.try_recv().is_err());
        // Time passes for the next caller.
        let other = places.take(&occupant("other"), Need::Probe, PLACE_LIMIT_MS);
        assert!(grant.try_recv().is_ok(), "its turn has come");
        drop((hanging, other));
    }

    #[test]
    fn an_endpoint_with_a_request_that_is_overdue_draws_from_the_slow_share() {
        let places = sixteen();
        let slow = occupant("slow");
        let overdue = have(places.take(&slow, Need::Delivery, 0));
        let more: Vec<Place> = (0..6)
            .map(|_| have(places.take(&slow, Need::Delivery, 300)))
            .collect();
        let waits = wait(places.take(&slow, Need::Delivery, 300));
        let fast: Vec<Place> = (0..4)
            .map(|_| have(places.take(&occupant("fast"), Need::Delivery, 300)))
            .collect();
        drop((overdue, more, waits, fast));
    }

    #[test]
    fn endpoints_that_hang_with_several_requests_each_leave_room_for_a_new_one() {
        let places = sixteen();
        let hanging: Vec<Place> = [(0, "first"), (PLACE_LIMIT_MS, "second")]
            .into_iter()
            .flat_map(|(at, customer)| {
                let endpoint = occupant(customer);
                let take = || have(places.take(&endpoint, Need::Delivery, at));
                std::iter::repeat_with(take).take(4).collect::<Vec<_>>()
            })
            .collect();
        let new = have(places.take(&occupant("new"), Need::Delivery, 2 * PLACE_LIMIT_MS));
        drop((hanging, new));
    }

    #[test]
    fn what_is_overdue_leaves_half_of_the_slow_share_to_those_that_answer() {
        let places = sixteen();
        let slow = occupant("slow");
        have(places.take(&slow, Need::Delivery, 0)).end(5_000, Answer::Success);
        let mut held = Vec::new();
        let mut now = 5_000;
        for number in 0..8 {
            let endpoint = occupant(&format!("hangs{number}"));
            held.extend((0..4).map(|_| places.take(&endpoint, Need::Delivery, now)));
            now += PLACE_LIMIT_MS;
        }
        let answers: Vec<Place> = (0..3)
            .map(|_| have(places.take(&slow, Need::Delivery, now)))
            .collect();
        drop((held, answers));
    }

    #[test]
    fn an_endpoint_that_answers_in_time_again_is_no_longer_slow() {
        let places = sixteen();
        let endpoint = occupant("endpoint");
        have(places.take(&endpoint, Need::Delivery, 0)).end(5_000, Answer::Success);
        assert!(endpoint.is_slow());
        for at in 0..20 {
            have(places.take(&endpoint, Need::Delivery, 5_000 + at))
                .end(5_000 + at, Answer::Success);
        }
        assert!(!endpoint.is_slow());
    }

    #[test]
    fn however_many_begin_to_hang_the_reserve_is_for_those_that_answer() {
        let places = Arc::new(Places::new(1_024));
        let crowd: Vec<_> = (0..2_000)
            .map(|number| proven(&places, &format!("c{number}"), 0))
            .collect();
        let mut held = Vec::new();
        let mut now = 0;
        for hanging in &crowd {
            // Two thousand requests a second, and none of the endpoints answers any more.
            now += i64::from(held.len() % 2 == 0);
            held.push(places.take(hanging, Need::Delivery, now));
        }
        let in_flight = held.iter().filter(|taken| matches!(taken, Asked::Place(_)));
        assert!(in_flight.count() < 512);
        let well = occupant("well");
        // It had answered just before.
        for _ in 0..8 {
            well.took(now, 1, Answer::Success);
        }
        for _ in 0..100 {
            now += 10;
            have(places.take(&well, Need::Delivery, now)).end(now + 1, Answer::Success);
        }
        drop(held);
    }

    #[test]
    fn everybody_who_waits_has_a_turn_before_anybody_has_two() {
        let places = sixteen();
        let held: Vec<Place> = (0..2)
            .map(|_| have(places.take(&occupant("first"), Need::Probe, 0)))
            .collect();
        let large: Vec<_> = (0..3).map(|_| occupant("large")).collect();
        let mut waiting: Vec<_> = large
            .iter()
            .map(|endpoint| wait(places.take(endpoint, Need::Probe, 0)))
            .collect();
        let mut small = wait(places.take(&occupant("small"), Need::Probe, 0));
        drop(held);
        assert!(waiting[0].try_recv().is_ok_and(|place| {
            assert!(small.try_recv().is_ok(), "each customer has one");
            drop(place);
            true
        }));
        assert!(waiting[1].try_recv().is_ok());
    }

    #[test]
    fn a_place_that_nobody_takes_any_more_goes_to_the_next() {
        let places = sixteen();
        let held: Vec<Place> = (0..2)
            .map(|_| have(places.take(&occupant("first"), Need::Probe, 0)))
            .collect();
        drop(places.take(&occupant("gone"), Need::Probe, 0));
        let mut next = wait(places.take(&occupant("next"), Need::Probe, 0));
        drop(held);
        assert!(next.try_recv().is_ok());
        assert_eq!(places.free_probes(), 2, "all are given back");
    }
}
