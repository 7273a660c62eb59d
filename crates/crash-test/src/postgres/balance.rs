//! The balance of a ledger: the sets that should be empty, and what they are compared with.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::{
    ledger::{Book, Ledger},
    mark::Mark,
};

/// The balance of a ledger.
#[derive(Debug, Default)]
pub struct Balance {
    /// Events that were acknowledged.
    pub acknowledged: usize,
    /// Events that arrived and were answered with a success.
    pub delivered: usize,
    /// Events that were acknowledged but not delivered.
    pub lost: Vec<Mark>,
    /// Events that arrived but were never sent.
    pub unexpected: Vec<Mark>,
    /// Events that were rolled back on purpose.
    pub rolled_back: usize,
    /// Those of them that arrived.
    pub not_rolled_back: Vec<Mark>,
    /// Rows in the app's table.
    pub orders: usize,
    /// Rows in the app's table whose event was not delivered.
    pub orders_alone: Vec<Mark>,
    /// The app's events that arrived without a row in its table.
    pub without_order: Vec<Mark>,
    /// Events whose sender got an error, or was killed before it got an answer.
    pub unknown: usize,
    /// Those of them that arrived.
    pub unknown_delivered: usize,
    /// Events that arrived after an event that was sent only once they had been acknowledged.
    pub out_of_order: Vec<Mark>,
    /// For each of those, the event that was sent last of all that arrived before it.
    pub overtakers: HashMap<Mark, Mark>,
    /// First arrivals at the ordered endpoint.
    pub ordered: usize,
    /// Requests in flight at the faults.
    pub in_flight: u64,
    /// Successes beyond the first of each event.
    pub duplicates: u64,
    /// Events that arrived more often than they were in flight at a fault.
    pub repeated: Vec<Mark>,
    /// Events that a replica lacked when it took over, and that nobody has stored since.
    pub lacked: usize,
    /// Those of them that were acknowledged and did not arrive.
    pub lost_with_server: usize,
    /// Deliveries whose outcome a replica lacked when it took over: they are made again.
    pub owed_again: u64,
    /// The time from a kill to the first arrival, at each endpoint, of what the node held: median
    /// and maximum.
    pub gone_on_after: Option<(Duration, Duration)>,
}

impl Balance {
    /// The sets that should be empty, with their names.
    #[must_use]
    pub fn broken(&self) -> [(&'static str, &[Mark]); 7] {
        [
            ("lost", &self.lost),
            ("unexpected", &self.unexpected),
            ("rolled back", &self.not_rolled_back),
            ("no event", &self.orders_alone),
            ("no order", &self.without_order),
            ("out of order", &self.out_of_order),
            ("repeated", &self.repeated),
        ]
    }
}

impl Ledger {
    /// Draws up the balance. `orders`: the app's table. `events`: what the database has at the end.
    #[must_use]
    pub fn balance(&self, orders: &HashSet<Mark>, events: &HashSet<Mark>) -> Balance {
        let book = &*self.0.lock();
        let is_lacked = |mark: &Mark| book.lacked.contains(mark) && !events.contains(mark);
        let is_delivered = |mark: &Mark| book.arrived.get(mark).is_some_and(|of| of.successes > 0);
        let mut balance = Balance {
            delivered: book
                .arrived
                .keys()
                .filter(|mark| is_delivered(mark))
                .count(),
            rolled_back: book.rolled_back.len(),
            orders: orders.len(),
            ordered: book.in_order.len(),
            in_flight: book.in_flight,
            lacked: book.lacked.iter().filter(|mark| is_lacked(mark)).count(),
            owed_again: book.owed_again,
            gone_on_after: book.takeovers.took(),
            ..Balance::default()
        };
        for (mark, sent) in &book.sent {
            if sent.stored_at.is_some() {
                balance.acknowledged += 1;
                if !is_delivered(mark) {
                    if is_lacked(mark) {
                        balance.lost_with_server += 1;
                    } else {
                        balance.lost.push(*mark);
                    }
                }
            } else {
                balance.unknown += 1;
                balance.unknown_delivered += usize::from(is_delivered(mark));
            }
        }
        for (mark, arrived) in &book.arrived {
            if book.rolled_back.contains(mark) {
                balance.not_rolled_back.push(*mark);
            } else if !book.sent.contains_key(mark) {
                balance.unexpected.push(*mark);
            }
            let again = arrived.successes.saturating_sub(1);
            balance.duplicates += u64::from(again);
            if again > book.allowed.get(mark).copied().unwrap_or_default() {
                balance.repeated.push(*mark);
            }
        }
        let alone = orders.iter().filter(|mark| !is_delivered(mark));
        balance.orders_alone = alone.copied().collect();
        let of_app = book.arrived.iter().filter(|(_, arrived)| arrived.is_of_app);
        let without = of_app.filter(|(mark, _)| !orders.contains(*mark) && !is_lacked(mark));
        balance.without_order = without.map(|(mark, _)| *mark).collect();
        let overtaken = book.out_of_order();
        balance.out_of_order = overtaken.iter().map(|(mark, _)| *mark).collect();
        balance.overtakers = overtaken.into_iter().collect();
        for marks in [
            &mut balance.lost,
            &mut balance.unexpected,
            &mut balance.not_rolled_back,
            &mut balance.orders_alone,
            &mut balance.without_order,
            &mut balance.repeated,
        ] {
            marks.sort_unstable();
        }
        balance
    }
}

impl Book {
    /// Events that arrived after an event that was sent only once they had been acknowledged, each with the one
    /// that was sent last of those that arrived before it.
    fn out_of_order(&self) -> Vec<(Mark, Mark)> {
        let mut newest: Option<(u64, Mark)> = None;
        let mut late = Vec::new();
        for mark in &self.in_order {
            let Some(sent) = self.sent.get(mark) else {
                continue;
            };
            if let Some((sending_at, overtaker)) = newest
                && sent.stored_at.is_some_and(|at| at < sending_at)
            {
                late.push((*mark, overtaker));
            }
            newest = newest.max(Some((sent.sending_at, *mark)));
        }
        late
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        super::ledger::{LATE_READ, ORDERED, Said},
        *,
    };

    fn mark(number: u32) -> Mark {
        Mark::new(1, 0, number)
    }

    fn send(ledger: &Ledger, number: u32, sending_at: u64, stored_at: Option<u64>) {
        ledger.said(1, Said::Sending(mark(number), sending_at));
        if let Some(at) = stored_at {
            ledger.said(1, Said::Stored(mark(number), at));
        }
    }

    #[test]
    fn what_was_acknowledged_and_did_not_arrive_is_lost() {
        let ledger = Ledger::default();
        send(&ledger, 1, 10, Some(20));
        send(&ledger, 2, 10, Some(20));
        send(&ledger, 3, 10, None);
        ledger.arrived("plain", mark(1), false);
        ledger.arrived("plain", mark(9), false);
        ledger.said(1, Said::RollingBack(mark(4)));
        ledger.arrived("plain", mark(4), false);
        let balance = ledger.balance(&HashSet::new(), &HashSet::new());
        assert_eq!((balance.acknowledged, balance.delivered), (2, 3));
        assert_eq!(balance.lost, [mark(2)]);
        assert_eq!(balance.unexpected, [mark(9)]);
        assert_eq!(balance.not_rolled_back, [mark(4)]);
        assert_eq!((balance.unknown, balance.unknown_delivered), (1, 0));
    }

    #[test]
    fn what_arrives_after_an_event_that_was_sent_later_is_out_of_order() {
        let ledger = Ledger::default();
        send(&ledger, 1, 10, Some(20));
        // Sent at the same time as the first: either may come first.
        send(&ledger, 2, 15, Some(30));
        send(&ledger, 3, 31, Some(40));
        send(&ledger, 4, 41, Some(50));
        for number in [2, 1, 4, 3] {
            ledger.arrived(ORDERED, mark(number), false);
        }
        let balance = ledger.balance(&HashSet::new(), &HashSet::new());
        assert_eq!(balance.out_of_order, [mark(3)]);
        assert_eq!(balance.overtakers, HashMap::from([(mark(3), mark(4))]));
    }

    #[test]
    fn an_event_may_come_again_as_often_as_it_was_in_flight_at_a_fault() {
        let ledger = Ledger::default();
        for number in 1..=4 {
            send(&ledger, number, 10, Some(20));
            ledger.said(7, Said::Requesting(mark(number)));
            ledger.arrived("plain", mark(number), false);
        }
        // The outcomes of the others are stored.
        let owed = HashSet::from([mark(1), mark(2)]);
        ledger.fault_begins(7);
        assert_eq!(ledger.killed(7, &owed), 2);
        ledger.arrived("plain", mark(1), false);
        ledger.arrived("plain", mark(3), false);
        let balance = ledger.balance(&HashSet::new(), &HashSet::new());
        assert_eq!((balance.in_flight, balance.duplicates), (2, 2));
        assert_eq!(balance.repeated, [mark(3)]);
    }

    /// Two requests were made by a process that was killed. Another process makes one of them again before what is
    /// pending is read, `wait` after the kill.
    async fn repeated_when_read_after(wait: Duration) -> Vec<Mark> {
        let ledger = Ledger::default();
        for number in 1..=2 {
            send(&ledger, number, 10, Some(20));
            ledger.said(7, Said::Requesting(mark(number)));
            ledger.arrived("plain", mark(number), false);
        }
        ledger.fault_begins(7);
        ledger.said(8, Said::Requesting(mark(1)));
        tokio::time::advance(wait).await;
        ledger.killed(7, &HashSet::new());
        ledger.arrived("plain", mark(1), false);
        ledger.arrived("plain", mark(2), false);
        ledger.balance(&HashSet::new(), &HashSet::new()).repeated
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_have_taken_over_before_a_late_read_was_in_flight() {
        assert_eq!(repeated_when_read_after(LATE_READ).await, [mark(2)]);
        // No lease ends so soon: it was stored, and sent again.
        let soon = Duration::from_secs(1);
        assert_eq!(repeated_when_read_after(soon).await, [mark(1), mark(2)]);
    }

    #[test]
    fn what_is_begun_during_a_fault_may_come_again() {
        let ledger = Ledger::default();
        send(&ledger, 1, 10, Some(20));
        send(&ledger, 2, 10, Some(20));
        ledger.fault_begins(7);
        // It was stored after the pending deliveries had been read.
        ledger.said(7, Said::Requesting(mark(1)));
        ledger.in_flight(7, &HashSet::new());
        ledger.fault_ended(7);
        ledger.said(7, Said::Requesting(mark(2)));
        for number in [1, 1, 2, 2] {
            ledger.arrived("plain", mark(number), false);
        }
        assert_eq!(
            ledger.balance(&HashSet::new(), &HashSet::new()).repeated,
            [mark(2)]
        );
    }

    #[test]
    fn a_failure_makes_no_duplicate() {
        let ledger = Ledger::default();
        send(&ledger, 1, 10, Some(20));
        assert!(!ledger.arrived("shaky", mark(1), true));
        assert!(ledger.arrived("shaky", mark(1), true));
        let balance = ledger.balance(&HashSet::new(), &HashSet::new());
        assert_eq!((balance.delivered, balance.duplicates), (1, 0));
        assert_eq!(balance.lost, []);
    }

    #[test]
    fn what_a_replica_lacked_is_lost_with_the_server_and_its_outcomes_may_come_again() {
        let ledger = Ledger::default();
        // The replica lacks the outcome of the first, the second, and the third, which is sent
        // again.
        for number in 1..=3 {
            send(&ledger, number, 10, Some(20));
        }
        ledger.said(1, Said::Requesting(mark(1)));
        ledger.arrived("plain", mark(1), false);
        let had = HashSet::from([mark(1)]);
        ledger.taken_over(30, &had, &had);
        ledger.arrived("plain", mark(1), false);
        send(&ledger, 4, 40, Some(50));
        let events = HashSet::from([mark(1), mark(3), mark(4)]);
        let balance = ledger.balance(&HashSet::new(), &events);
        assert_eq!((balance.lacked, balance.lost_with_server), (1, 1));
        assert_eq!(balance.lost, [mark(3), mark(4)]);
        assert_eq!((balance.owed_again, balance.duplicates), (1, 1));
        assert!(balance.repeated.is_empty(), "{balance:?}");
    }
}
