//! What processes said, what arrived, and what may have arrived twice.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::mark::Mark;

/// What a process said of an event. Times are nanoseconds of the machine's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is about to be sent.
    Sending(Mark, u64),
    /// It was acknowledged.
    Stored(Mark, u64),
    /// It was answered with an error.
    Refused(Mark),
    /// It is about to be stored in a transaction that is rolled back on purpose.
    RollingBack(Mark),
    /// A request with it is about to go out.
    Requesting(Mark),
}

/// The customer whose order is looked at.
pub const ORDERED: &str = "ordered";
/// Customers whose events are stored in transactions of the app's own, with a row in its table.
pub const OF_APP: [&str; 2] = ["app", "outbox"];

/// An event that was sent.
#[derive(Debug, Clone, Copy)]
struct Sent {
    sending_at: u64,
    stored_at: Option<u64>,
    is_refused: bool,
}

/// What arrived of an event.
#[derive(Debug, Clone, Copy, Default)]
struct Arrived {
    /// Requests that were answered with a success.
    successes: u32,
    /// The last one was answered with a failure.
    failed: bool,
    /// It was stored in a transaction of the app's own.
    is_of_app: bool,
}

/// What a process has begun.
#[derive(Debug, Default)]
struct Life {
    /// Requests of deliveries that were owed when that was last looked at, or begun since.
    begun: HashSet<Mark>,
    /// Those begun before a fault, while it is looked at what is owed.
    looked_at: HashSet<Mark>,
    /// How many faults it is under: what it begins meanwhile may be begun again.
    faults: u32,
}

#[derive(Debug, Default)]
struct Book {
    sent: HashMap<Mark, Sent>,
    rolled_back: HashSet<Mark>,
    arrived: HashMap<Mark, Arrived>,
    /// Which life made which requests, and when.
    requested: HashMap<Mark, Vec<(u32, Instant)>>,
    /// First arrivals at the ordered endpoint.
    in_order: Vec<Mark>,
    lives: HashMap<u32, Life>,
    /// How often an event was in flight at a fault.
    allowed: HashMap<Mark, u32>,
    in_flight: u64,
}

/// What processes said, what arrived, and what may have arrived twice.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Book>);

/// What the ledger comes to.
#[derive(Debug, Default)]
pub struct Balance {
    /// Events that were acknowledged.
    pub acknowledged: usize,
    /// Events that arrived, and were answered with a success.
    pub delivered: usize,
    /// Acknowledged, and were not delivered.
    pub lost: Vec<Mark>,
    /// Arrived, and were never sent.
    pub unexpected: Vec<Mark>,
    /// Events that were rolled back on purpose.
    pub rolled_back: usize,
    /// Of those, what arrived.
    pub not_rolled_back: Vec<Mark>,
    /// Rows of the app's table.
    pub orders: usize,
    /// Rows of the app's table without an event that was delivered.
    pub orders_alone: Vec<Mark>,
    /// Events of the app that arrived without a row in its table.
    pub without_order: Vec<Mark>,
    /// Events whose sender got an error, or was killed before an answer.
    pub unknown: usize,
    /// Of those, what arrived.
    pub unknown_delivered: usize,
    /// Events that arrived after one that was sent when they had been acknowledged.
    pub out_of_order: Vec<Mark>,
    /// First arrivals at the ordered endpoint.
    pub ordered: usize,
    /// Requests in flight at the faults.
    pub in_flight: u64,
    /// Successes beyond the first of each event.
    pub duplicates: u64,
    /// Events that arrived more often than they were in flight at a fault.
    pub repeated: Vec<Mark>,
}

impl Balance {
    /// The sets that should be empty, and what they are called.
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
    /// A process of that life said it.
    pub fn said(&self, life: u32, said: Said) {
        let book = &mut *self.0.lock();
        match said {
            Said::Sending(mark, at) => {
                // Sent again after an error: from when on counts.
                book.sent.entry(mark).or_insert(Sent {
                    sending_at: at,
                    stored_at: None,
                    is_refused: false,
                });
            }
            Said::Stored(mark, at) => {
                if let Some(sent) = book.sent.get_mut(&mark) {
                    sent.stored_at = Some(at);
                }
            }
            Said::Refused(mark) => {
                if let Some(sent) = book.sent.get_mut(&mark) {
                    sent.is_refused = true;
                }
            }
            Said::RollingBack(mark) => drop(book.rolled_back.insert(mark)),
            Said::Requesting(mark) => {
                let requests = book.requested.entry(mark).or_default();
                requests.push((life, Instant::now()));
                let life = book.lives.entry(life).or_default();
                life.begun.insert(mark);
                if life.faults > 0 {
                    *book.allowed.entry(mark).or_default() += 1;
                    book.in_flight += 1;
                }
            }
        }
    }

    /// A request arrived. Returns whether it is to be answered with a success: `fails` says whether
    /// the first of an event is not.
    pub fn arrived(&self, customer: &str, mark: Mark, fails: bool) -> bool {
        let book = &mut *self.0.lock();
        let is_first = !book.arrived.contains_key(&mark);
        if is_first && customer == ORDERED {
            book.in_order.push(mark);
        }
        let arrived = book.arrived.entry(mark).or_default();
        arrived.failed = is_first && fails;
        arrived.is_of_app = OF_APP.contains(&customer);
        if !arrived.failed {
            arrived.successes += 1;
        }
        !arrived.failed
    }

    /// What is known of an event, for people. Times are those since `began`.
    #[must_use]
    pub fn describe(&self, mark: Mark, began: Instant) -> String {
        let book = self.0.lock();
        let sent = match book.sent.get(&mark) {
            Some(sent) if sent.stored_at.is_some() => "acknowledged",
            Some(sent) if sent.is_refused => "answered by an error",
            Some(_) => "not answered",
            None => "not sent",
        };
        let arrived = book.arrived.get(&mark).copied().unwrap_or_default();
        let successes = arrived.successes;
        let allowed = book.allowed.get(&mark).copied().unwrap_or_default();
        let requests = book.requested.get(&mark).into_iter().flatten();
        let requests: Vec<String> = requests
            .map(|(life, at)| format!("{:.3} by life {life}", (*at - began).as_secs_f64()))
            .collect();
        let requests = requests.join(", ");
        format!(
            "{mark}: {sent}, arrived {successes} times, in flight at {allowed} faults; requests at {requests}"
        )
    }

    /// A fault begins that a process survives: what it begins until [`Ledger::fault_ended`] may arrive
    /// again, and so may what it has begun of what is owed now: [`Ledger::in_flight`] follows.
    pub fn fault_begins(&self, life: u32) {
        let book = &mut *self.0.lock();
        let life = book.lives.entry(life).or_default();
        life.faults += 1;
        let begun = std::mem::take(&mut life.begun);
        life.looked_at.extend(begun);
    }

    /// What the database owes since [`Ledger::fault_begins`].
    pub fn in_flight(&self, life: u32, owed: &HashSet<Mark>) {
        self.0.lock().note_in_flight(life, owed);
    }

    /// The end of a fault that a process survived.
    pub fn fault_ended(&self, life: u32) {
        if let Some(life) = self.0.lock().lives.get_mut(&life) {
            life.faults = life.faults.saturating_sub(1);
        }
    }

    /// A process was killed. `owed`: what the database owes since. Returns how many requests were in
    /// flight.
    pub fn killed(&self, life: u32, owed: &HashSet<Mark>) -> u64 {
        self.fault_begins(life);
        let book = &mut *self.0.lock();
        let in_flight = book.note_in_flight(life, owed);
        book.lives.remove(&life);
        in_flight
    }

    /// What it all comes to. `orders`: the app's table.
    #[must_use]
    pub fn balance(&self, orders: &HashSet<Mark>) -> Balance {
        let book = &*self.0.lock();
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
            ..Balance::default()
        };
        for (mark, sent) in &book.sent {
            if sent.stored_at.is_some() {
                balance.acknowledged += 1;
                if !is_delivered(mark) {
                    balance.lost.push(*mark);
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
        let without = of_app.filter(|(mark, _)| !orders.contains(*mark));
        balance.without_order = without.map(|(mark, _)| *mark).collect();
        balance.out_of_order = book.out_of_order();
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
    /// Requests that a process has begun, of deliveries that are owed, may be made again.
    fn note_in_flight(&mut self, life: u32, owed: &HashSet<Mark>) -> u64 {
        let life = self.lives.entry(life).or_default();
        let mut in_flight = 0;
        for mark in life.looked_at.drain() {
            if !owed.contains(&mark) {
                continue;
            }
            life.begun.insert(mark);
            // One that was answered with a failure comes again in any case.
            if self
                .arrived
                .get(&mark)
                .is_none_or(|arrived| !arrived.failed)
            {
                *self.allowed.entry(mark).or_default() += 1;
                in_flight += 1;
            }
        }
        self.in_flight += in_flight;
        in_flight
    }

    /// Events that arrived after one that was sent only once they were acknowledged.
    fn out_of_order(&self) -> Vec<Mark> {
        let mut newest_sending_at = 0;
        let mut late = Vec::new();
        for mark in &self.in_order {
            let Some(sent) = self.sent.get(mark) else {
                continue;
            };
            if sent.stored_at.is_some_and(|at| at < newest_sending_at) {
                late.push(*mark);
            }
            newest_sending_at = newest_sending_at.max(sent.sending_at);
        }
        late
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        let balance = ledger.balance(&HashSet::new());
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
        // At the same time as the first: either may come before the other.
        send(&ledger, 2, 15, Some(30));
        send(&ledger, 3, 31, Some(40));
        send(&ledger, 4, 41, Some(50));
        for number in [2, 1, 4, 3] {
            ledger.arrived(ORDERED, mark(number), false);
        }
        assert_eq!(ledger.balance(&HashSet::new()).out_of_order, [mark(3)]);
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
        assert_eq!(ledger.killed(7, &owed), 2);
        ledger.arrived("plain", mark(1), false);
        ledger.arrived("plain", mark(3), false);
        let balance = ledger.balance(&HashSet::new());
        assert_eq!((balance.in_flight, balance.duplicates), (2, 2));
        assert_eq!(balance.repeated, [mark(3)]);
    }

    #[test]
    fn what_is_begun_during_a_fault_may_come_again() {
        let ledger = Ledger::default();
        send(&ledger, 1, 10, Some(20));
        send(&ledger, 2, 10, Some(20));
        ledger.fault_begins(7);
        // It was stored after it was looked at what is owed.
        ledger.said(7, Said::Requesting(mark(1)));
        ledger.in_flight(7, &HashSet::new());
        ledger.fault_ended(7);
        ledger.said(7, Said::Requesting(mark(2)));
        for number in [1, 1, 2, 2] {
            ledger.arrived("plain", mark(number), false);
        }
        assert_eq!(ledger.balance(&HashSet::new()).repeated, [mark(2)]);
    }

    #[test]
    fn a_failure_makes_no_duplicate() {
        let ledger = Ledger::default();
        send(&ledger, 1, 10, Some(20));
        assert!(!ledger.arrived("shaky", mark(1), true));
        assert!(ledger.arrived("shaky", mark(1), true));
        let balance = ledger.balance(&HashSet::new());
        assert_eq!((balance.delivered, balance.duplicates), (1, 0));
        assert_eq!(balance.lost, []);
    }
}
