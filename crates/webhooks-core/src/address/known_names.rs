//! What is known of names from lookups before: addresses for as long as they may be kept, and that
//! nobody answered.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use tokio::time::Instant;

/// Names that are kept, some hundred bytes each.
const NAMES_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct KnownNames(HashMap<Arc<str>, Known>);

enum Known {
    Addresses(Arc<[IpAddr]>, Instant),
    Silent,
}

impl KnownNames {
    /// Addresses that may still be used.
    pub(super) fn addresses(&self, name: &str) -> Option<Arc<[IpAddr]>> {
        match self.0.get(name) {
            Some(Known::Addresses(addresses, until)) if *until > Instant::now() => {
                Some(Arc::clone(addresses))
            }
            _ => None,
        }
    }

    /// Whether nobody answered when it was looked up last.
    pub(super) fn is_silent(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Known::Silent))
    }

    pub(super) fn keep(&mut self, name: &Arc<str>, addresses: &Arc<[IpAddr]>, until: Instant) {
        self.insert(name, Known::Addresses(Arc::clone(addresses), until));
    }

    pub(super) fn note_silence(&mut self, name: &Arc<str>) {
        self.insert(name, Known::Silent);
    }

    fn insert(&mut self, name: &Arc<str>, known: Known) {
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(name) {
            let now = Instant::now();
            self.0
                .retain(|_, known| matches!(known, Known::Addresses(_, until) if *until > now));
            if self.0.len() >= NAMES_MAX {
                self.0.clear();
            }
        }
        self.0.insert(Arc::clone(name), known);
    }
}
