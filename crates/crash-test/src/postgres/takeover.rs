//! How soon others take over what a killed node held.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use super::mark::Mark;

/// What killed nodes held, until the first of it arrives at each endpoint.
#[derive(Debug, Default)]
pub(super) struct Takeovers {
    open: Vec<Takeover>,
    took: Vec<Duration>,
}

#[derive(Debug)]
struct Takeover {
    at: Instant,
    /// By customer.
    held: HashMap<String, HashSet<Mark>>,
}

impl Takeovers {
    /// Records what a node held when it was killed.
    pub(super) fn begin(&mut self, at: Instant, held: impl IntoIterator<Item = (String, Mark)>) {
        let mut of_customers: HashMap<String, HashSet<Mark>> = HashMap::new();
        for (customer, mark) in held {
            of_customers.entry(customer).or_default().insert(mark);
        }
        self.open.push(Takeover {
            at,
            held: of_customers,
        });
    }

    pub(super) fn arrived(&mut self, at: Instant, customer: &str, mark: Mark) {
        for takeover in &mut self.open {
            let held = takeover.held.get(customer);
            if held.is_some_and(|held| held.contains(&mark)) {
                takeover.held.remove(customer);
                self.took.push(at - takeover.at);
            }
        }
        self.open.retain(|takeover| !takeover.held.is_empty());
    }

    /// The time from the kill to the first arrival at each endpoint: median and maximum.
    pub(super) fn took(&self) -> Option<(Duration, Duration)> {
        let mut took = self.took.clone();
        took.sort_unstable();
        Some((*took.get(took.len() / 2)?, *took.last()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_arrival_counts_of_what_each_endpoint_was_owed() {
        let mut takeovers = Takeovers::default();
        let mark = |number| Mark::new(1, 0, number);
        let began = Instant::now();
        let held = [("a", 1), ("a", 2), ("b", 3)];
        let held = held.map(|(customer, number)| (customer.to_owned(), mark(number)));
        takeovers.begin(began, held);
        assert_eq!(takeovers.took(), None);
        for (seconds, customer, number) in [(3, "a", 2), (3, "b", 9), (7, "a", 1), (8, "b", 3)] {
            let at = began + Duration::from_secs(seconds);
            takeovers.arrived(at, customer, mark(number));
        }
        let seconds = [3, 8].map(Duration::from_secs);
        assert_eq!(takeovers.took, seconds);
        assert_eq!(takeovers.took(), Some((seconds[1], seconds[1])));
    }
}
