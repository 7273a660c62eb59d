//! Whose turn it is: customers in a circle, and in each its endpoints.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Those who wait, by number. Each endpoint waits once, so that everybody who waits gets a turn
/// before anybody gets a second.
#[derive(Default)]
pub(crate) struct Turns {
    customers: VecDeque<Arc<str>>,
    /// Of each customer in the circle, at least one.
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

    /// Takes whose turn it is.
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

    /// Takes one out of its turn.
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
