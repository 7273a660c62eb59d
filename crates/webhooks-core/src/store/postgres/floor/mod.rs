//! Floors: where scans begin, above what is known to be finished.
//!
//! While an old snapshot is held open, nothing that was deleted since can be vacuumed, and a scan from the
//! start of its index reads all of it, each time. So after a look that took long, the next ones begin at a
//! floor: after the position that a look had reached a while ago. A row that becomes visible below it, from a
//! transaction that took longer than that, is found by the next look at everything. That comes soon if it is
//! cheap; if it is expensive, so rarely that it takes a hundredth of the time. A floor never loses a row,
//! whatever due time or number it was given: the row is only found later.
//!
//! In a lane, later is too late: what was committed after a row must not go out before it. So a lane's floor
//! also waits until every transaction that may have drawn a lower number is over, however long that takes. A
//! transaction that draws one has drawn its own id first: see `head.rs`.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use crate::clock::millis;

/// If a look at everything took no longer than this, the next one looks at everything too: there is no floor.
const QUICK: Duration = Duration::from_millis(5);
/// If looks at everything take longer: at least this wait between two, and this many times what one took.
const WHOLE_WAIT: Duration = Duration::from_secs(1);
const WHOLE_SHARE: u32 = 100;
/// How far behind the present the floor of what is due stays: rows get their due time before their transaction is
/// committed, from nodes whose clocks differ a little.
const DUE_MARGIN: Duration = Duration::from_secs(5);
/// Between two looks whose times are remembered: so few of them cover the margin.
const TIMES_APART: Duration = Duration::from_secs(1);
/// How far a lane's floor stays behind what was loaded of it, at least.
const LANE_MARGIN: Duration = Duration::from_secs(1);

/// A look that is over.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) began: Duration,
    pub(super) took: Duration,
}

/// The floor of one order of rows.
#[derive(Debug, Clone, Copy)]
struct Floor<P> {
    /// Nothing is left at or before this place, except what becomes visible late.
    at: Option<P>,
    /// When to look at everything again.
    whole_at: Duration,
}

impl<P> Default for Floor<P> {
    fn default() -> Self {
        Self {
            at: None,
            whole_at: Duration::ZERO,
        }
    }
}

impl<P: Copy> Floor<P> {
    /// The place after which a look begins; `None` if it begins at the start.
    fn from(&self, now: Duration) -> Option<P> {
        self.at.filter(|_| now < self.whole_at)
    }

    /// A look that began at `from` left nothing up to `reached`.
    fn looked(&mut self, from: Option<P>, look: Look, reached: Option<P>) {
        if from.is_none() {
            self.whole_at = look.began + look.took;
            if look.took > QUICK {
                self.whole_at += WHOLE_WAIT.max(look.took * WHOLE_SHARE);
            }
        }
        self.at = reached;
    }
}

/// Orders of what is due: single retries, lanes of healthy endpoints, lanes in trouble, and arrivals (rows of
/// lanes that were only noted).
pub(super) const DUE_ORDERS: usize = 4;

/// The due times after which scans begin. The look ahead sets them; scans read them.
pub(super) struct DueFloors([AtomicI64; DUE_ORDERS]);

impl Default for DueFloors {
    fn default() -> Self {
        Self([const { AtomicI64::new(i64::MIN) }; DUE_ORDERS])
    }
}

impl DueFloors {
    pub(super) fn get(&self) -> [i64; DUE_ORDERS] {
        std::array::from_fn(|order| self.0[order].load(Ordering::Acquire))
    }
}

/// What the timeline showed at looks. The margin is one of real time: when a clock is set forward, rows that get their
/// due time just before are committed just after.
#[derive(Default)]
struct LookTimes(VecDeque<(Duration, i64)>);

impl LookTimes {
    /// What the timeline showed a margin before a look at `now`, or earlier.
    fn margin_before(&mut self, began: Duration, now: i64) -> i64 {
        let last = self.0.back();
        if last.is_none_or(|(at, _)| began >= *at + TIMES_APART) {
            self.0.push_back((began, now));
        }
        while self
            .0
            .get(1)
            .is_some_and(|(at, _)| began >= *at + DUE_MARGIN)
        {
            self.0.pop_front();
        }
        let (at, shown) = self.0.front().copied().unwrap_or((began, now));
        // An engine that has just started remembers less than the margin.
        let missing = DUE_MARGIN.saturating_sub(began.saturating_sub(at));
        shown - millis(missing)
    }
}

/// Moves the floors of what is due.
#[derive(Default)]
pub(super) struct DueLooks {
    floors: [Floor<i64>; DUE_ORDERS],
    times: LookTimes,
}

impl DueLooks {
    /// The due times after which a look begins.
    pub(super) fn from(&self, now: Duration) -> [Option<i64>; DUE_ORDERS] {
        self.floors.map(|floor| floor.from(now))
    }

    /// A look found these first due times, at `now` on the timeline.
    pub(super) fn looked(
        &mut self,
        from: [Option<i64>; DUE_ORDERS],
        look: Look,
        (first, now): ([Option<i64>; DUE_ORDERS], i64),
        floors: &DueFloors,
    ) {
        let latest = self.times.margin_before(look.began, now);
        for order in 0..DUE_ORDERS {
            let reached = first[order].map_or(latest, |first| latest.min(first - 1));
            self.floors[order].looked(from[order], look, Some(reached));
            // A scan never looks at everything if that is expensive, because it keeps others waiting.
            let end = look.began + look.took;
            let floor = self.floors[order].from(end).unwrap_or(i64::MIN);
            floors.0[order].store(floor, Ordering::Release);
        }
    }
}

/// A place in a lane: when a row is due, and its event's number.
pub(super) type Place = (i64, i64);

/// Where a transaction stands among all transactions, by their ids.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    pub(super) own: i64,
    /// All transactions below this were over when it began.
    pub(super) oldest: i64,
}

/// The places after which lanes are loaded from; only for lanes of which a load took long.
#[derive(Default)]
pub(super) struct LaneFloors {
    lanes: HashMap<i64, LaneFloor>,
    /// That of the transaction that loads.
    horizon: Horizon,
}

#[derive(Default)]
struct LaneFloor {
    floor: Floor<Place>,
    /// How far it was loaded.
    head: Option<Place>,
    next: Option<NextFloor>,
}

/// Where a floor will be, once nothing more can become visible below it.
#[derive(Clone, Copy)]
struct NextFloor {
    /// How far the lane was loaded then.
    at: Option<Place>,
    began: Duration,
    /// The transaction that loaded it.
    loaded_by: i64,
    /// A later transaction of this node: any that drew a number below that place has a lower id.
    until: Option<i64>,
}

impl NextFloor {
    /// Whether a load that began at `began` sees everything that there will ever be below it.
    fn is_settled(&self, horizon: Horizon, began: Duration) -> bool {
        let is_over = self.until.is_some_and(|until| horizon.oldest > until);
        is_over && began >= self.began + LANE_MARGIN
    }
}

impl LaneFloors {
    /// Another transaction loads from now on.
    pub(super) fn begin(&mut self, horizon: Horizon) {
        self.horizon = horizon;
    }

    /// The place after which a load of a lane begins.
    pub(super) fn from(&self, key: i64, now: Duration) -> Option<Place> {
        self.lanes.get(&key)?.floor.from(now)
    }

    /// A load that began at `from` loaded all rows up to `last`, at `now` on the timeline.
    pub(super) fn loaded(
        &mut self,
        key: i64,
        from: Option<Place>,
        look: Look,
        (last, now): (Option<Place>, i64),
    ) {
        if from.is_none() && look.took <= QUICK {
            self.lanes.remove(&key);
            return;
        }
        // Rows that are due in the future may be loaded early: rows due now will still be added below them.
        let last = last.min(Some((now, i64::MAX)));
        let horizon = self.horizon;
        let lane = self.lanes.entry(key).or_default();
        lane.head = lane.head.max(last);
        let mut reached = lane.floor.at;
        if let Some(next) = &mut lane.next
            && next.until.is_none()
            && next.loaded_by != horizon.own
        {
            next.until = Some(horizon.own);
        }
        let settled = lane
            .next
            .filter(|next| next.is_settled(horizon, look.began));
        if let Some(next) = settled {
            // What became visible late is loaded by now, as far as this load got.
            reached = last.map_or(next.at, |last| next.at.min(Some(last)));
        }
        if lane.next.is_none() || settled.is_some() {
            lane.next = Some(NextFloor {
                at: lane.head,
                began: look.began,
                loaded_by: horizon.own,
                until: None,
            });
        }
        lane.floor.looked(from, look, reached);
    }

    /// How long until a lane is looked at from the start.
    pub(super) fn whole_after(&self, key: i64, now: Duration) -> Duration {
        let lane = self.lanes.get(&key);
        lane.map_or(Duration::ZERO, |lane| {
            lane.floor.whole_at.saturating_sub(now)
        })
    }

    /// A lane got rows that may be at any place.
    pub(super) fn forget(&mut self, key: i64) {
        self.lanes.remove(&key);
    }

    /// It is not known what was loaded.
    pub(super) fn clear(&mut self) {
        self.lanes.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
