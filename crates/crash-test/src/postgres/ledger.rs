//! What processes reported, what arrived, and what may have arrived twice.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{mark::Mark, takeover::Takeovers};

/// Reading what is pending takes milliseconds, on a busy machine seconds. After this, another node may have taken over
/// what a fault interrupted and have delivered it: a lease ends after ten seconds, and part of it may have passed.
pub(super) const LATE_READ: Duration = Duration::from_secs(3);

/// What a process reported about an event. Times are nanoseconds of the machine's monotonic clock.
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

/// The customer whose order is checked.
pub const ORDERED: &str = "ordered";
/// Customers whose events are stored in the app's own transactions, with a row in its table.
pub const OF_APP: [&str; 2] = ["app", "outbox"];

/// An event that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) sending_at: u64,
    pub(super) stored_at: Option<u64>,
    pub(super) is_refused: bool,
}

/// What arrived of an event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrived {
    /// Requests that were answered with a success.
    pub(super) successes: u32,
    /// The last one was answered with a failure.
    pub(super) failed: bool,
    /// It was stored in one of the app's own transactions.
    pub(super) is_of_app: bool,
}

/// The requests that a process has begun.
#[derive(Debug, Default)]
struct Life {
    /// When its last fault began.
    fault_at: Option<Instant>,
    /// Those of deliveries that were pending when that was last read, or begun since.
    begun: HashSet<Mark>,
    /// Those begun before a fault, while the pending deliveries are being read.
    looked_at: HashSet<Mark>,
    /// The number of faults it is under: what it begins meanwhile may be sent again.
    faults: u32,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) sent: HashMap<Mark, Sent>,
    /// The number of events that were acknowledged.
    acknowledged: u32,
    pub(super) rolled_back: HashSet<Mark>,
    pub(super) arrived: HashMap<Mark, Arrived>,
    /// Which life made which requests, and when.
    requested: HashMap<Mark, Vec<(u32, Instant)>>,
    /// First arrivals at the ordered endpoint.
    pub(super) in_order: Vec<Mark>,
    lives: HashMap<u32, Life>,
    /// How often an event was in flight at a fault.
    pub(super) allowed: HashMap<Mark, u32>,
    pub(super) in_flight: u64,
    /// Sent before a replica took over, which did not have them.
    pub(super) lacked: HashSet<Mark>,
    /// Deliveries that were made before a replica took over for which they are still pending.
    pub(super) owed_again: u64,
    pub(super) takeovers: Takeovers,
}

/// What processes reported, what arrived, and what may have arrived twice.
#[derive(Debug, Default)]
pub struct Ledger(pub(super) Mutex<Book>);

impl Ledger {
    /// Records what the process of that life reported.
    pub fn said(&self, life: u32, said: Said) {
        let book = &mut *self.0.lock();
        match said {
            Said::Sending(mark, at) => {
                // When it is sent again after an error, the first time counts.
                book.sent.entry(mark).or_insert(Sent {
                    sending_at: at,
                    stored_at: None,
                    is_refused: false,
                });
            }
            Said::Stored(mark, at) => {
                if let Some(sent) = book.sent.get_mut(&mark) {
                    sent.stored_at = Some(at);
                    book.acknowledged += 1;
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

    /// Records that a request arrived. Returns whether to answer it with a success: with `fails`,
    /// the first request of an event is answered with a failure.
    pub fn arrived(&self, customer: &str, mark: Mark, fails: bool) -> bool {
        let book = &mut *self.0.lock();
        book.takeovers.arrived(Instant::now(), customer, mark);
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

    /// The number of events that were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u32 {
        self.0.lock().acknowledged
    }

    /// What is known about an event, for people. Times are relative to `began`.
    #[must_use]
    pub fn describe(&self, mark: Mark, began: Instant) -> String {
        let book = self.0.lock();
        let sent = match book.sent.get(&mark) {
            Some(sent) if sent.stored_at.is_some() => "acknowledged",
            Some(sent) if sent.is_refused => "answered with an error",
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

    /// Records the beginning of a fault that a process survives. What it begins until
    /// [`Ledger::fault_ended`] may arrive again, and so may what it has begun of the deliveries
    /// that are pending now, which the following [`Ledger::in_flight`] records.
    pub fn fault_begins(&self, life: u32) {
        let book = &mut *self.0.lock();
        let life = book.lives.entry(life).or_default();
        life.faults += 1;
        life.fault_at = Some(Instant::now());
        let begun = std::mem::take(&mut life.begun);
        life.looked_at.extend(begun);
    }

    /// Records what is pending in the database, read after [`Ledger::fault_begins`].
    pub fn in_flight(&self, life: u32, owed: &HashSet<Mark>) {
        self.0.lock().note_in_flight(life, owed);
    }

    /// Records that a replica took over at a time of the machine's monotonic clock. Of the events
    /// sent before, it has `events`, and deliveries of `owed` are pending.
    pub fn taken_over(&self, at: u64, events: &HashSet<Mark>, owed: &HashSet<Mark>) {
        let book = &mut *self.0.lock();
        let sent = book.sent.iter();
        let lacked = sent.filter(|(mark, sent)| sent.sending_at < at && !events.contains(mark));
        book.lacked.extend(lacked.map(|(mark, _)| *mark));
        for mark in owed {
            let is_made = book.requested.contains_key(mark)
                && book.arrived.get(mark).is_none_or(|arrived| !arrived.failed);
            if is_made {
                *book.allowed.entry(*mark).or_default() += 1;
                book.owed_again += 1;
            }
        }
    }

    /// Records the end of a fault that a process survived.
    pub fn fault_ended(&self, life: u32) {
        if let Some(life) = self.0.lock().lives.get_mut(&life) {
            life.faults = life.faults.saturating_sub(1);
        }
    }

    /// Records what a process held when it was killed.
    pub fn held(&self, held: impl IntoIterator<Item = (String, Mark)>) {
        self.0.lock().takeovers.begin(Instant::now(), held);
    }

    /// Records that a process was killed, at the last [`Ledger::fault_begins`]. `owed`: what was pending in the
    /// database when that was read after it. Returns how many requests were in flight.
    pub fn killed(&self, life: u32, owed: &HashSet<Mark>) -> u64 {
        let book = &mut *self.0.lock();
        let in_flight = book.note_in_flight(life, owed);
        book.lives.remove(&life);
        in_flight
    }
}

impl Book {
    /// Allows the requests that a process has begun, of deliveries that are pending, to be made
    /// again. If that was read late, so are those that other processes have begun since the fault.
    fn note_in_flight(&mut self, number: u32, owed: &HashSet<Mark>) -> u64 {
        let life = self.lives.entry(number).or_default();
        let late_since = life.fault_at.filter(|at| at.elapsed() >= LATE_READ);
        let mut in_flight = 0;
        for mark in life.looked_at.drain() {
            let by_others = |since: Instant| {
                let requests = self.requested.get(&mark).into_iter().flatten();
                let mut others = requests.filter(|(of, _)| *of != number);
                others.any(|(_, at)| *at >= since)
            };
            if !owed.contains(&mark) && !late_since.is_some_and(by_others) {
                continue;
            }
            life.begun.insert(mark);
            // A request that was answered with a failure comes again in any case.
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
}
