//! How nodes wake each other: which nodes a transaction concerns, and notifying them after its commit.
//!
//! The notification is a transaction of its own, never part of the one that writes, because Postgres
//! commits transactions that notify one at a time. Nothing depends on it: a node that was not woken finds
//! its work at its next poll.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::{Notify, futures::Notified};

/// Nodes that one notification names. Beyond this it is for all: a payload has at most 8,000 bytes.
const NODES_MAX: usize = 64;
/// The payload of a notification for all.
const ALL: &str = "all";

/// Which nodes something concerns.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Concerned {
    #[default]
    Nobody,
    /// These have something due that is theirs alone.
    Owners(BTreeSet<i64>),
    /// All nodes poll the database.
    All,
}

/// What a notification means for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    NotForUs,
    /// What this node owns is due.
    Due,
    /// Something has changed: poll.
    Look,
}

impl Concerned {
    /// Something is due that `node` owns.
    pub(super) fn owner(&mut self, node: i64) {
        match self {
            Self::Nobody => *self = Self::Owners(BTreeSet::from([node])),
            Self::Owners(nodes) if nodes.len() < NODES_MAX || nodes.contains(&node) => {
                nodes.insert(node);
            }
            Self::Owners(_) => *self = Self::All,
            Self::All => {}
        }
    }

    pub(super) fn join(&mut self, others: Self) {
        match others {
            Self::Nobody => {}
            Self::Owners(nodes) => nodes.into_iter().for_each(|node| self.owner(node)),
            Self::All => *self = Self::All,
        }
    }

    /// The statement that notifies them, to be run in a transaction of its own; `None` if there is nobody
    /// to notify.
    pub(super) fn notification(&self, channel: &str) -> Option<String> {
        // Nothing needs escaping: the name was checked, the payload is numbers or a word.
        let payload = self.payload()?;
        Some(format!("notify \"{channel}\", '{payload}'"))
    }

    /// The payload of a notification; `None` if there is nobody to notify.
    fn payload(&self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Owners(nodes) => {
                let nodes: Vec<String> = nodes.iter().map(i64::to_string).collect();
                Some(nodes.join(" "))
            }
            Self::All => Some(ALL.to_owned()),
        }
    }
}

impl Call {
    /// What `payload` means for `node`. Numbers are those of nodes; anything else makes all nodes poll,
    /// whoever sent it: a program that filled the outbox table, or a later version of this one.
    pub(super) fn of(payload: &str, node: i64) -> Self {
        let mut words = payload.split_whitespace().peekable();
        if words.peek().is_none() {
            return Self::Look;
        }
        let nodes: Result<Vec<i64>, _> = words.map(str::parse).collect();
        match nodes {
            Ok(nodes) if nodes.contains(&node) => Self::Due,
            Ok(_) => Self::NotForUs,
            Err(_) => Self::Look,
        }
    }
}

/// The notifications of this node, on their way from its writer to the connection that sends them.
#[derive(Default)]
pub(super) struct Bell {
    concerned: Mutex<Concerned>,
    rung: Notify,
}

impl Bell {
    /// Notifies the nodes that a committed transaction concerns.
    pub(super) fn ring(&self, concerned: Concerned) {
        if concerned != Concerned::Nobody {
            self.concerned.lock().join(concerned);
            self.rung.notify_one();
        }
    }

    /// The nodes to notify since this was last called.
    pub(super) fn take(&self) -> Concerned {
        std::mem::take(&mut *self.concerned.lock())
    }

    pub(super) fn rung(&self) -> Notified<'_> {
        self.rung.notified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_named_together_and_hear_of_what_is_theirs() {
        let mut concerned = Concerned::default();
        assert_eq!(concerned.payload(), None);
        concerned.owner(17);
        concerned.owner(4);
        concerned.owner(17);
        let payload = concerned.payload().unwrap_or_default();
        assert_eq!(payload, "4 17");
        assert_eq!(Call::of(&payload, 4), Call::Due);
        assert_eq!(Call::of(&payload, 1), Call::NotForUs);
    }

    #[test]
    fn what_concerns_all_swallows_the_rest() {
        let mut concerned = Concerned::default();
        concerned.owner(4);
        concerned.join(Concerned::All);
        concerned.owner(5);
        assert_eq!(concerned, Concerned::All);
        assert_eq!(Call::of(ALL, 4), Call::Look);
    }

    #[test]
    fn more_owners_than_a_payload_holds_are_all() {
        let mut concerned = Concerned::default();
        for node in 0..=64 {
            concerned.owner(i64::MAX - node);
        }
        assert_eq!(concerned, Concerned::All);
        let mut most = Concerned::default();
        for node in 0..64 {
            most.owner(i64::MAX - node);
        }
        assert!(most.payload().is_some_and(|payload| payload.len() < 8_000));
    }

    #[test]
    fn of_what_is_not_understood_everybody_looks() {
        for payload in ["", " ", "outbox", "4 later", "9223372036854775808"] {
            assert_eq!(Call::of(payload, 4), Call::Look, "{payload:?}");
        }
    }
}
