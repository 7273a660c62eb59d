//! Whose turn it is: the customers in rotation, and within each customer its endpoints.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// The waiting endpoints, by number. Each endpoint waits only once, so that everyone who waits gets a turn before
/// anyone gets a second one.
#[derive(Default)]
pub(crate) struct Turns {
    customers: VecDeque<Arc<str>>,
    /// For each customer in the rotation, at least one.
    waiting: HashMap<Arc<str>, VecDeque<u64>>,
}

impl Turns {
    pub(crate) fn is_empty(&self) -> bool {
        self.customers.is_empty()
    }

    pub(crate) fn push(&mut self, customer: &Arc<str>, number: u64) {
        match self.waiting.get_mut(customer) {
            Some(waiting) => waiting.push_back(number),
            None => {
                let waiting = VecDeque::from([number]);
                self.waiting.insert(Arc::clone(customer), waiting);
                self.customers.push_back(Arc::clone(customer));
            }
        }
    }

    /// Removes and returns the one whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<u64> {
        let customer = self.customers.pop_front()?;
        let waiting = self.waiting.get_mut(&customer)?;
        let number = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&customer);
        } else {
            self.customers.push_back(customer);
        }
        number
    }

    /// Removes one before its turn.
    pub(crate) fn remove(&mut self, customer: &Arc<str>, number: u64) {
        let Some(waiting) = self.waiting.get_mut(customer) else {
            return;
        };
        waiting.retain(|other| *other != number);
        if waiting.is_empty() {
            self.waiting.remove(customer);
            self.customers.retain(|other| other != customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_take_turns_and_so_do_the_endpoints_of_each() {
        let (large, small): (Arc<str>, Arc<str>) = ("large".into(), "small".into());
        let mut turns = Turns::default();
        for number in 0..4 {
            turns.push(&large, number);
        }
        turns.push(&small, 10);
        turns.push(&small, 11);
        turns.remove(&large, 1);
        let order: Vec<u64> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, [0, 10, 2, 11, 3]);
        assert!(turns.is_empty());
    }
}
