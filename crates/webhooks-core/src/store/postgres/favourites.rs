//! Which node is the favourite of a lane, that is, should own it: computed by rendezvous hashing, so that all nodes
//! agree without communicating, and a node that joins or leaves affects only its own lanes.
//!
//! This only proposes; the lane's row says who owns it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::RwLock;

/// The nodes among which lanes are shared out: this one, and those that it saw with its last heartbeat.
#[derive(Default)]
pub(super) struct Favourites {
    /// Empty before the first heartbeat.
    nodes: RwLock<Arc<[i64]>>,
    /// This node shuts down, and gives lanes up another way.
    ends: AtomicBool,
}

impl Favourites {
    pub(super) fn set(&self, nodes: &[i64]) {
        let mut known = self.nodes.write();
        if **known != *nodes {
            *known = nodes.into();
        }
    }

    /// From now on nothing is given away through [`Favourites::other_than`].
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// The favourite of a lane once `this` has shut down.
    pub(super) fn without(&self, this: i64, key: i64) -> Option<i64> {
        let nodes = self.nodes.read();
        let others: Vec<i64> = nodes.iter().copied().filter(|node| *node != this).collect();
        favourite(&others, key)
    }

    /// The favourite of a lane, if that is not `this`.
    pub(super) fn other_than(&self, this: i64, key: i64) -> Option<i64> {
        if self.has_ended() {
            return None;
        }
        favourite(&self.nodes.read(), key).filter(|node| *node != this)
    }
}

/// The favourite among `nodes` of the lane of an endpoint, given by its key. Nodes of different versions must
/// agree, or they would pass lanes back and forth: so this never changes.
pub(super) fn favourite(nodes: &[i64], key: i64) -> Option<i64> {
    let weight = |node: i64| mixed(mixed(node.cast_unsigned()) ^ key.cast_unsigned());
    nodes
        .iter()
        .copied()
        .max_by_key(|node| (weight(*node), *node))
}

/// The output function of SplitMix64: each input bit changes half of the output bits.
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANES: i64 = 9_000;

    fn lanes_of(nodes: &[i64], node: i64) -> i64 {
        let lanes = (1..=LANES).filter(|key| favourite(nodes, *key) == Some(node));
        i64::try_from(lanes.count()).expect("there are few")
    }

    #[test]
    fn each_node_is_the_favourite_of_about_as_many_lanes() {
        for nodes in [[1, 2, 3], [4, 5, 6], [17, 18, 900]] {
            for node in nodes {
                let share = lanes_of(&nodes, node);
                assert!((2_850..3_150).contains(&share), "{node}: {share}");
            }
        }
        assert_eq!(favourite(&[], 1), None);
        assert_eq!(lanes_of(&[7], 7), LANES);
    }

    #[test]
    fn a_node_that_comes_or_goes_changes_no_favourites_but_its_own() {
        let (few, many) = ([1, 2, 3], [1, 2, 3, 4]);
        for key in 1..=LANES {
            let (before, after) = (favourite(&few, key), favourite(&many, key));
            assert!(after == Some(4) || after == before, "{key}");
        }
    }

    #[test]
    fn nodes_of_all_versions_say_the_same() {
        let found: Vec<Option<i64>> = (1..=12).map(|key| favourite(&[1, 2, 3], key)).collect();
        let pinned = [3, 1, 3, 2, 3, 2, 3, 2, 2, 2, 1, 2].map(Some);
        assert_eq!(found, pinned);
        assert_eq!(favourite(&[3, 1, 2], 5), favourite(&[1, 2, 3], 5));
    }
}
