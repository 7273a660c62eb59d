//! Sharing out owned lanes: each owner checks which of its lanes have another node as their favourite, and gives
//! those back, a few a second.
//!
//! All lanes are checked in order, [`LANES_A_LOOK`] with each heartbeat, and again some heartbeats after the last.
//! That is one query by the primary key every ten seconds, and with 100,000 lanes one a second, of some tenths of a
//! millisecond; a node that is alone makes none. The writer is involved only when there is something to give
//! (`give_back.rs`).

use std::{collections::HashMap, time::Duration};

use super::{favourites::favourite, node::LeaseTimes, row::Reader};
use crate::store::error::StoreError;

/// Lanes that are checked with one heartbeat, whoever owns them.
const LANES_A_LOOK: i64 = 1_000;
/// Lanes that a node gives back in a second. Each change of owner takes two small transactions of this node and
/// one of the next, during which its endpoint waits: ten are hardly noticeable, and a thousand are given in two
/// minutes.
const GIVEN_A_SECOND: u32 = 10;
/// For how many heartbeats nobody must have joined or left before anything is given. In a rolling deploy that
/// replaces a node every ten seconds or so, lanes that were just taken stay where they are until it is over, and a
/// node that fails at its start is given none.
const STEADY_BEATS: u32 = 15;
/// Heartbeats between the end of the lanes and the next look at the first. Lanes added since wait that long.
const REST_BEATS: u32 = 10;
/// Heartbeats until a lane is offered again: its favourite did not take it, and may be busy.
const AGAIN_BEATS: u32 = 60;
/// After how many missed heartbeats a node is offered nothing more, though it is not dead yet.
const HEARD_BEATS: u32 = 3;

/// Within what time a node must have been heard from to be anything's favourite.
pub(super) fn heard_within(times: LeaseTimes) -> Duration {
    times.beat_wait * HEARD_BEATS
}

/// How far an owner has got with its lanes.
#[derive(Debug, Default)]
pub(super) struct Balance {
    /// The nodes among which lanes are shared out, including this one, in their order.
    nodes: Vec<i64>,
    /// Since when they have been the same.
    steady_since: Duration,
    /// Lanes up to this one have been checked.
    looked_to: i64,
    /// When to check the next.
    look_at: Duration,
    /// Lanes that were offered, and when.
    offered: HashMap<i64, Duration>,
}

/// Lanes in the order of their keys.
#[derive(Debug)]
pub(super) struct LaneSlice {
    /// Those of the asking node, in their order.
    own: Vec<i64>,
    /// The last of all of them; `None` if there are none after it.
    goes_on_behind: Option<i64>,
}

impl Balance {
    /// Notes which nodes are alive and not shutting down, as seen at `now`.
    pub(super) fn saw(&mut self, mut nodes: Vec<i64>, now: Duration) {
        nodes.sort_unstable();
        if self.nodes != nodes {
            *self = Self {
                nodes,
                steady_since: now,
                offered: std::mem::take(&mut self.offered),
                ..Self::default()
            };
        }
    }

    /// The nodes among which lanes are shared out.
    pub(super) fn nodes(&self) -> &[i64] {
        &self.nodes
    }

    /// The lane after which to check now; `None` if it is not time yet.
    pub(super) fn look_behind(&self, times: LeaseTimes, now: Duration) -> Option<i64> {
        let steady_at = self.steady_since + times.beat_wait * STEADY_BEATS;
        let is_time = self.nodes.len() > 1 && now >= steady_at && now >= self.look_at;
        is_time.then_some(self.looked_to)
    }

    /// Chooses which of the lanes of `this` node it gives back.
    pub(super) fn choose(
        &mut self,
        this: i64,
        lanes: &LaneSlice,
        (times, now): (LeaseTimes, Duration),
    ) -> Vec<i64> {
        let again_after = times.beat_wait * AGAIN_BEATS;
        self.offered.retain(|_, at| now < *at + again_after);
        let given_a_beat = (times.beat_wait * GIVEN_A_SECOND).as_secs().max(1);
        let given_a_beat = usize::try_from(given_a_beat).unwrap_or(usize::MAX);
        let others = lanes.own.iter().copied().filter(|key| {
            let is_others = favourite(&self.nodes, *key).is_some_and(|node| node != this);
            is_others && !self.offered.contains_key(key)
        });
        let chosen: Vec<i64> = others.take(given_a_beat).collect();
        self.offered.extend(chosen.iter().map(|key| (*key, now)));
        let goes_on_behind = match chosen.last() {
            Some(last) if chosen.len() == given_a_beat => Some(*last),
            _ => lanes.goes_on_behind,
        };
        match goes_on_behind {
            Some(last) => self.looked_to = last,
            None => self.rest(times, now),
        }
        chosen
    }

    /// Starts over with the first lane, in a while.
    pub(super) fn rest(&mut self, times: LeaseTimes, now: Duration) {
        // Keys begin at 1.
        self.looked_to = 0;
        self.look_at = now + times.beat_wait * REST_BEATS;
    }
}

impl Reader<'_> {
    /// The lanes after one, and which of them `node` owns.
    pub(super) async fn lanes_behind(
        &mut self,
        key: i64,
        node: i64,
    ) -> Result<LaneSlice, StoreError> {
        // Uses the primary key.
        let (count, last, own): (i64, Option<i64>, Option<Vec<i64>>) = self
            .query(
                "select count(*), max(endpoint_key),
                        array_agg(endpoint_key order by endpoint_key) filter (where owned and node = $2)
                 from (select endpoint_key, owned, node from webhooks.lane
                       where endpoint_key > $1 order by endpoint_key limit $3) t",
            )
            .bind(key)
            .bind(node)
            .bind(LANES_A_LOOK)
            .read_row(self.connection)
            .await?;
        Ok(LaneSlice {
            own: own.unwrap_or_default(),
            goes_on_behind: last.filter(|_| count == LANES_A_LOOK),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(1);
    const NOTHING: [i64; 0] = [];

    fn times() -> LeaseTimes {
        LeaseTimes::of(BEAT * 10)
    }

    /// All lanes of a table, every one of which node 1 owns.
    struct Table {
        lanes: Vec<i64>,
        balance: Balance,
        now: Duration,
    }

    impl Table {
        fn of(lanes: i64) -> Self {
            Self {
                lanes: (1..=lanes).collect(),
                balance: Balance::default(),
                now: BEAT * 100,
            }
        }

        /// What is given with each of the next heartbeats, which see these nodes.
        fn beats(&mut self, nodes: &[i64], beats: u32) -> Vec<Vec<i64>> {
            let mut given = Vec::new();
            for _ in 0..beats {
                self.balance.saw(nodes.to_vec(), self.now);
                given.push(self.look());
                self.now += BEAT;
            }
            given
        }

        fn look(&mut self) -> Vec<i64> {
            let Some(behind) = self.balance.look_behind(times(), self.now) else {
                return Vec::new();
            };
            let most = usize::try_from(LANES_A_LOOK).expect("it is small");
            let lanes = self.lanes.iter().copied().filter(|key| *key > behind);
            let own: Vec<i64> = lanes.take(most).collect();
            let slice = LaneSlice {
                goes_on_behind: own.last().copied().filter(|_| own.len() == most),
                own,
            };
            self.balance.choose(1, &slice, (times(), self.now))
        }
    }

    #[test]
    fn what_is_others_favourite_is_given_once_and_ten_a_second() {
        let mut table = Table::of(90);
        let given = table.beats(&[1, 2, 3], 30);
        assert!(given.iter().all(|given| given.len() <= 10), "{given:?}");
        let given: Vec<i64> = given.concat();
        let others: Vec<i64> = (1..=90)
            .filter(|key| favourite(&[1, 2, 3], *key) != Some(1))
            .collect();
        assert_eq!(given, others);
    }

    #[test]
    fn nothing_is_given_before_nobody_has_come_or_gone_for_a_while() {
        let mut table = Table::of(90);
        assert_eq!(table.beats(&[1], 30).concat(), NOTHING);
        assert_eq!(table.beats(&[1, 2], STEADY_BEATS).concat(), NOTHING);
        assert_eq!(table.beats(&[1, 2, 3], STEADY_BEATS).concat(), NOTHING);
        assert_ne!(table.beats(&[3, 1, 2], 1).concat(), NOTHING);
    }

    #[test]
    fn more_lanes_than_one_look_has_are_all_looked_at_and_looked_at_again() {
        let mut table = Table::of(2_500);
        // Lanes whose favourite is this node are passed over.
        let nodes = [1, 2];
        table.lanes.retain(|key| favourite(&nodes, *key) == Some(1));
        assert_eq!(table.beats(&nodes, 20).concat(), NOTHING);
        let added = (2_501..).find(|key| favourite(&nodes, *key) == Some(2));
        table.lanes.extend(added);
        assert_eq!(
            table.beats(&nodes, 20).concat(),
            [added.expect("there is one")]
        );
    }

    #[test]
    fn a_lane_that_comes_back_is_not_offered_again_at_once() {
        let nodes = [1, 2];
        let mut table = Table::of(90);
        table.lanes.retain(|key| favourite(&nodes, *key) == Some(2));
        table.lanes.truncate(1);
        // Its favourite does not take it.
        let given = table.beats(&nodes, 200).concat();
        assert_eq!(given, [table.lanes[0]; 4]);
    }
}
