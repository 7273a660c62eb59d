//! Events whose text is being sent: the first copy of an event does the work, and copies that
//! arrive meanwhile wait for its outcome.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::outcome::Outcome;

/// Maximum number of texts being sent at once; each holds a connection to Twilio. Any more are told to try again.
const IN_FLIGHT_MAX: usize = 64;

/// The flights in progress, by event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<String, Landing>>>);

/// Receives the outcome of a flight.
pub(crate) type Landing = watch::Receiver<Option<Outcome>>;

/// What a copy of an event has to do.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// It is the first: it does the work and reports the outcome.
    First(Flight, Landing),
    /// Another copy is doing the work.
    Later(Landing),
    /// Too many are in progress.
    Full,
}

/// The right to do the work for one event; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    key: String,
    outcome: watch::Sender<Option<Outcome>>,
    flights: Flights,
}

impl Flights {
    /// Takes the place of the event `key`, if it is free.
    pub(crate) fn board(&self, key: &str) -> Boarding {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(landing) = flights.get(key) {
            return Boarding::Later(landing.clone());
        }
        if flights.len() >= IN_FLIGHT_MAX {
            return Boarding::Full;
        }
        let (outcome, landing) = watch::channel(None);
        flights.insert(key.to_owned(), landing.clone());
        let flight = Flight {
            key: key.to_owned(),
            outcome,
            flights: self.clone(),
        };
        Boarding::First(flight, landing)
    }
}

impl Flight {
    /// Reports the outcome to every waiting copy.
    pub(crate) fn land(self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_flies_and_the_place_is_free_again_afterwards() {
        let flights = Flights::default();
        let Boarding::First(flight, _landing) = flights.board("a") else {
            panic!("the first has a place");
        };
        let Boarding::Later(landing) = flights.board("a") else {
            panic!("the second waits");
        };
        flight.land(Outcome::Texted);
        assert_eq!(*landing.borrow(), Some(Outcome::Texted));
        assert!(matches!(flights.board("a"), Boarding::First(..)));
    }

    #[test]
    fn flights_are_bounded() {
        let flights = Flights::default();
        let boarded: Vec<Boarding> = (0..IN_FLIGHT_MAX)
            .map(|n| flights.board(&n.to_string()))
            .collect();
        assert!(matches!(flights.board("one more"), Boarding::Full));
        drop(boarded);
        assert!(matches!(flights.board("one more"), Boarding::First(..)));
    }
}
