//! Events whose text is under way: the first copy of an event does the work, the copies that come
//! meanwhile wait for its outcome.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::outcome::Outcome;

/// Texts under way at once; each holds a connection to Twilio. A further one is told to come again.
const IN_FLIGHT_MAX: usize = 64;

/// The flights under way, by event.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<String, Landing>>>);

/// Where the outcome of a flight will be read.
pub(crate) type Landing = watch::Receiver<Option<Outcome>>;

/// What a copy of an event is to do.
#[derive(Debug)]
pub(crate) enum Boarding {
    /// It is the first: it does the work and says how it ended.
    First(Flight, Landing),
    /// Another copy does the work.
    Later(Landing),
    /// Too many are under way.
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
    /// Takes the place of the event `key`, if that is free.
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
    /// Tells every waiting copy how it ended.
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
