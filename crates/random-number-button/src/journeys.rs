//! The journeys that the page knows: a bounded number, newest first, and a signal when one changes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    journey::{Journey, Leg, Text},
    sent::EVENTS_MAX,
};

/// Maximum number of journeys kept, in memory and in the store; the oldest is dropped when another begins.
pub(crate) const KEPT_MAX: usize = EVENTS_MAX;

/// The known journeys. Cheap to query, never locked across an await.
#[derive(Debug)]
pub(crate) struct Journeys {
    newest_first: Mutex<VecDeque<Journey>>,
    moved: watch::Sender<u64>,
}

impl Journeys {
    /// No journeys.
    pub(crate) fn new() -> Self {
        Self {
            newest_first: Mutex::new(VecDeque::new()),
            moved: watch::Sender::new(0),
        }
    }

    /// Begins a journey; one that is already known stays as it is.
    pub(crate) fn begin(&self, journey: Journey) {
        {
            let mut journeys = self.lock();
            if journeys
                .iter()
                .any(|known| known.event_id == journey.event_id)
            {
                return;
            }
            // Restored journeys may come in any order; the page shows the newest first.
            let place = journeys
                .iter()
                .position(|known| known.drawn_at <= journey.drawn_at)
                .unwrap_or(journeys.len());
            journeys.insert(place, journey);
            journeys.truncate(KEPT_MAX);
        }
        self.tell();
    }

    /// Forgets a journey that never began: its event could not be stored.
    pub(crate) fn forget(&self, event_id: &str) {
        self.lock().retain(|journey| journey.event_id != event_id);
        self.tell();
    }

    /// Stores the engine's account of the deliveries.
    pub(crate) fn set_legs(&self, event_id: &str, legs: Vec<Leg>) {
        self.change(event_id, |journey| journey.legs = legs);
    }

    /// Stores the texter's status.
    pub(crate) fn set_text(&self, event_id: &str, text: Text) {
        self.change(event_id, |journey| journey.text = text);
    }

    /// The journey of `event_id`.
    pub(crate) fn get(&self, event_id: &str) -> Option<Journey> {
        self.lock()
            .iter()
            .find(|journey| journey.event_id == event_id)
            .cloned()
    }

    /// The journey that the page's address names: the number must have been drawn, and, where an
    /// event is named, by that event.
    pub(crate) fn find(&self, number: u16, event_id: Option<&str>) -> Option<Journey> {
        self.lock()
            .iter()
            .find(|journey| {
                journey.number == number && event_id.is_none_or(|id| id == journey.event_id)
            })
            .cloned()
    }

    /// The newest `count` journeys.
    pub(crate) fn newest(&self, count: usize) -> Vec<Journey> {
        self.lock().iter().take(count).cloned().collect()
    }

    /// The event ids of the journeys that `which` selects.
    pub(crate) fn ids_where(&self, which: impl Fn(&Journey) -> bool) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|journey| which(journey))
            .map(|journey| journey.event_id.clone())
            .collect()
    }

    /// Changes whenever a journey does; a slow reader sees the latest, never a backlog.
    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    fn change(&self, event_id: &str, change: impl FnOnce(&mut Journey)) {
        let changed = {
            let mut journeys = self.lock();
            let Some(journey) = journeys
                .iter_mut()
                .find(|journey| journey.event_id == event_id)
            else {
                return;
            };
            let before = journey.clone();
            change(journey);
            *journey != before
        };
        if changed {
            self.tell();
        }
    }

    /// Signals a change.
    pub(crate) fn tell(&self) {
        self.moved
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Journey>> {
        // Every change is a single assignment, so a panic elsewhere leaves nothing half done.
        self.newest_first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn journey(event_id: &str, number: u16, second: u64) -> Journey {
        let drawn_at = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        Journey::new(event_id.to_owned(), number, drawn_at)
    }

    #[test]
    fn a_number_is_found_only_when_it_was_drawn_by_that_event() {
        let journeys = Journeys::new();
        journeys.begin(journey("a", 641, 1));
        assert!(journeys.find(641, Some("a")).is_some());
        assert!(journeys.find(641, None).is_some());
        assert!(journeys.find(641, Some("b")).is_none());
        assert!(journeys.find(642, Some("a")).is_none());
    }

    #[test]
    fn journeys_are_newest_first_in_whatever_order_they_come() {
        let journeys = Journeys::new();
        for (event_id, second) in [("b", 2), ("c", 3), ("a", 1)] {
            journeys.begin(journey(event_id, 7, second));
        }
        assert_eq!(journeys.ids_where(|_| true), ["c", "b", "a"]);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let journeys = Journeys::new();
        for second in 0..=KEPT_MAX as u64 {
            journeys.begin(journey(&format!("e{second}"), 1, second));
        }
        assert_eq!(journeys.newest(usize::MAX).len(), KEPT_MAX);
        assert!(journeys.get("e0").is_none());
    }

    #[test]
    fn only_a_real_change_is_told() {
        let journeys = Journeys::new();
        journeys.begin(journey("a", 1, 1));
        let mut moved = journeys.moved();
        moved.mark_unchanged();
        journeys.set_text("a", Text::Unknown);
        journeys.set_text("nobody", Text::NotTold);
        assert!(!moved.has_changed().unwrap());
        journeys.set_text("a", Text::NotTold);
        assert!(moved.has_changed().unwrap());
    }
}
