//! One limit for all bodies that are being received, so that many slow senders of large
//! bodies cannot fill the memory together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of bodies that are being received, and their limit.
#[derive(Debug)]
pub struct Reception {
    held: AtomicUsize,
    limit: usize,
}

/// The bytes that one body holds; released when dropped.
#[derive(Debug)]
pub struct Reservation<'a> {
    reception: &'a Reception,
    held: usize,
}

impl Reception {
    /// All bodies together hold at most this many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            held: AtomicUsize::new(0),
            limit,
        }
    }

    /// A reservation for one body, which holds nothing yet.
    pub fn reserve(&self) -> Reservation<'_> {
        Reservation {
            reception: self,
            held: 0,
        }
    }
}

impl Reservation<'_> {
    /// Takes more; false when all bodies together would hold too much.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let before = self.reception.held.fetch_add(bytes, Ordering::Relaxed);
        self.held += bytes;
        before.saturating_add(bytes) <= self.reception.limit
    }

    pub fn limit(&self) -> usize {
        self.reception.limit
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.reception.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let reception = Reception::new(10);
        let mut first = reception.reserve();
        assert!(first.grow(8));
        let mut second = reception.reserve();
        assert!(!second.grow(8));
        drop(second);
        drop(first);
        assert!(reception.reserve().grow(10));
    }
}
