//! When this node last saw a sign of life of the others, by its own clock.
//!
//! Heartbeats are timestamped by the database's clock. When that is set forward, every other node seems to have been
//! silent for long; when it is set back, a dead one seems to be alive for as long as the step was. So a node is taken
//! for dead only when its last heartbeat has been the same for a while, which setting a clock cannot change.

use std::{collections::HashMap, time::Duration};

use super::node::{Beat, LeaseTimes, Silent};

/// The last heartbeats of other nodes, and since when each has been the last.
#[derive(Debug, Default)]
pub(super) struct Pulses(HashMap<i64, (i64, Duration)>);

impl Pulses {
    /// Notes the last heartbeats of all live nodes, as seen at `seen_at`.
    pub(super) fn note(&mut self, beats: &[Beat], seen_at: Duration) {
        let was = std::mem::take(&mut self.0);
        let since = |beat: &Beat| match was.get(&beat.node) {
            Some((at, since)) if *at == beat.at => *since,
            _ => seen_at,
        };
        self.0 = beats
            .iter()
            .map(|beat| (beat.node, (beat.at, since(beat))))
            .collect();
    }

    /// Whether a node was heard from in the time before `now`.
    pub(super) fn is_heard(&self, node: i64, within: Duration, now: Duration) -> bool {
        let heard = self.0.get(&node);
        heard.is_some_and(|(_, since)| now.saturating_sub(*since) < within)
    }

    /// The nodes that by `now` were not heard from for a lease, or for long enough that the database's clock may
    /// say so. Before `well_since` nobody could be heard from.
    pub(super) fn silent(
        &self,
        times: LeaseTimes,
        (well_since, now): (Duration, Duration),
    ) -> Vec<Silent> {
        let nodes = self.0.iter().filter_map(|(node, (at, since))| {
            let silent_for = now.saturating_sub(well_since.max(*since));
            // A heartbeat is seen, at the latest, with this node's next one.
            (silent_for >= times.lease.saturating_sub(times.beat_wait * 3 / 2)).then_some(Silent {
                last: Beat {
                    node: *node,
                    at: *at,
                },
                for_a_lease: silent_for >= times.lease,
            })
        });
        nodes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn silent_after(beats: &[(u64, i64)], now: u64) -> Vec<Silent> {
        let mut pulses = Pulses::default();
        for (seen_at, at) in beats {
            pulses.note(&[Beat { node: 7, at: *at }], Duration::from_secs(*seen_at));
        }
        let now = (Duration::ZERO, Duration::from_secs(now));
        pulses.silent(LeaseTimes::of(LEASE), now)
    }

    #[test]
    fn a_node_that_beats_is_not_silent_whatever_the_databases_clock_is_set_to() {
        let hour = 3_600_000_000;
        assert_eq!(silent_after(&[(0, 0), (9, hour), (18, hour + 9)], 20), []);
        assert_eq!(silent_after(&[(0, hour), (9, 0), (18, 9)], 20), []);
    }

    #[test]
    fn a_node_that_does_not_beat_is_silent_after_a_lease() {
        let silent = silent_after(&[(0, 5), (1, 5), (10, 5)], 10);
        let last = Beat { node: 7, at: 5 };
        let for_a_lease = true;
        assert_eq!(silent, [Silent { last, for_a_lease }]);
        let for_a_lease = false;
        assert_eq!(
            silent_after(&[(0, 4), (1, 5)], 10),
            [Silent { last, for_a_lease }]
        );
        assert_eq!(silent_after(&[(0, 4), (2, 5)], 10), []);
    }

    #[test]
    fn a_node_whose_last_beat_was_seen_long_ago_is_not_heard() {
        let mut pulses = Pulses::default();
        let is_heard = |pulses: &Pulses, node: i64, now: u64| {
            pulses.is_heard(node, Duration::from_secs(3), Duration::from_secs(now))
        };
        for seen_at in 0..5 {
            pulses.note(&[Beat { node: 7, at: 5 }], Duration::from_secs(seen_at));
        }
        assert!(is_heard(&pulses, 7, 2));
        assert!(!is_heard(&pulses, 7, 3));
        assert!(!is_heard(&pulses, 8, 0));
        pulses.note(&[Beat { node: 7, at: 6 }], Duration::from_secs(5));
        assert!(is_heard(&pulses, 7, 7));
    }

    #[test]
    fn what_could_not_be_heard_in_an_outage_does_not_count() {
        let mut pulses = Pulses::default();
        pulses.note(&[Beat { node: 7, at: 5 }], Duration::ZERO);
        let [well_since, now] = [88, 97].map(Duration::from_secs);
        let times = LeaseTimes::of(LEASE);
        let silent = pulses.silent(times, (well_since, now));
        assert!(silent.iter().all(|silent| !silent.for_a_lease));
        let well_since = Duration::from_secs(90);
        assert_eq!(pulses.silent(times, (well_since, now)), []);
    }

    #[test]
    fn a_node_that_ended_is_forgotten() {
        let mut pulses = Pulses::default();
        pulses.note(&[Beat { node: 7, at: 5 }], Duration::ZERO);
        pulses.note(&[], Duration::from_secs(1));
        let now = (Duration::ZERO, LEASE);
        assert_eq!(pulses.silent(LeaseTimes::of(LEASE), now), []);
    }
}
