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
    collections::HashMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// If a look at everything took no longer than this, the next one looks at everything too: there is no floor.
const QUICK: Duration = Duration::from_millis(5);
/// If looks at everything take longer: at least this wait between two, and this many times what one took.
const WHOLE_WAIT: Duration = Duration::from_secs(1);
const WHOLE_SHARE: u32 = 100;
/// How far behind the present the floor of what is due stays, in milliseconds: rows get their due time before
/// their transaction is committed, from nodes whose clocks differ a little.
const DUE_MARGIN_MS: i64 = 5_000;
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

/// Moves the floors of what is due.
#[derive(Default)]
pub(super) struct DueLooks([Floor<i64>; DUE_ORDERS]);

impl DueLooks {
    /// The due times after which a look begins.
    pub(super) fn from(&self, now: Duration) -> [Option<i64>; DUE_ORDERS] {
        self.0.map(|floor| floor.from(now))
    }

    /// A look found these first due times, at `now` on the timeline.
    pub(super) fn looked(
        &mut self,
        from: [Option<i64>; DUE_ORDERS],
        look: Look,
        (first, now): ([Option<i64>; DUE_ORDERS], i64),
        floors: &DueFloors,
    ) {
        for order in 0..DUE_ORDERS {
            let latest = now - DUE_MARGIN_MS;
            let reached = first[order].map_or(latest, |first| latest.min(first - 1));
            self.0[order].looked(from[order], look, Some(reached));
            // A scan never looks at everything if that is expensive, because it keeps others waiting.
            let end = look.began + look.took;
            let floor = self.0[order].from(end).unwrap_or(i64::MIN);
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a look takes while a snapshot is held open.
    const DEAR: Duration = Duration::from_millis(20);
    /// Between two looks.
    const LOOK_MS: i64 = 50;
    /// Rows that one load of a lane takes.
    const LOADED: usize = 5;
    /// How late a row may be found if its transaction took longer than the margin.
    const LATE_MS: i64 = 20 * WHOLE_SHARE as i64 + 3 * LOOK_MS;
    const END_MS: i64 = 40_000;

    /// The times of looks.
    fn looks() -> impl Iterator<Item = i64> {
        (0..END_MS / LOOK_MS).map(|look| look * LOOK_MS)
    }

    /// A row that got its due time or number within its transaction.
    #[derive(Debug, Clone, Copy)]
    struct Row {
        written_at: i64,
        /// How long after that it is due; below zero if it was due before.
        waits: i64,
        /// `None`: it is rolled back.
        commits_after: Option<i64>,
    }

    /// How long a transaction lasts that is rolled back.
    const ROLLED_BACK_AFTER: i64 = 3_000;

    impl Row {
        /// Whether its transaction is open.
        fn is_open(&self, now: i64) -> bool {
            let ends_at = self.written_at + self.commits_after.unwrap_or(ROLLED_BACK_AFTER);
            (self.written_at..ends_at).contains(&now)
        }

        fn seen_at(&self) -> i64 {
            self.commits_after
                .map_or(i64::MAX, |after| self.written_at + after)
        }

        fn due_at(&self) -> i64 {
            self.written_at + self.waits
        }
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let after = prop_oneof![
            8 => (0..100_i64).prop_map(Some),
            2 => (0..15_000_i64).prop_map(Some),
            1 => Just(None),
        ];
        // A row that got its due time before an outage may be stored after it.
        let waits = prop_oneof![Just(0), 0..5_000_i64, -30_000..0_i64];
        let row = (0..20_000_i64, waits, after);
        let row = row.prop_map(|(written_at, waits, commits_after)| Row {
            written_at,
            waits,
            commits_after,
        });
        proptest::collection::vec(row, 1..60)
    }

    fn at(ms: i64) -> Duration {
        Duration::from_millis(ms.unsigned_abs())
    }

    /// When each row is found by looks that begin at `from`; `looked` gets what each look found first.
    fn found(
        rows: &[Row],
        mut from: impl FnMut(i64) -> Option<i64>,
        mut looked: impl FnMut(Option<i64>, i64, Option<i64>) -> i64,
    ) -> Vec<Option<i64>> {
        let mut found = vec![None; rows.len()];
        for now in looks() {
            let from = from(now);
            let is_left = |at: &usize, found: &[Option<i64>]| {
                found[*at].is_none() && rows[*at].seen_at() <= now
            };
            let left = (0..rows.len()).filter(|at| is_left(at, &found));
            let dates = left.map(|at| rows[at].due_at());
            let first = dates
                .filter(|date| from.is_none_or(|from| *date > from))
                .min();
            let scan_from = looked(from, now, first);
            for at in 0..rows.len() {
                let date = rows[at].due_at();
                if is_left(&at, &found) && date <= now && date > scan_from {
                    found[at] = Some(now);
                }
            }
        }
        found
    }

    fn found_by_floors(rows: &[Row]) -> Vec<Option<i64>> {
        let looks = std::cell::RefCell::new(DueLooks::default());
        let floors = DueFloors::default();
        found(
            rows,
            |now| looks.borrow().from(at(now))[0],
            |from, now, first| {
                let took = if from.is_none() { DEAR } else { Duration::ZERO };
                let look = Look {
                    began: at(now),
                    took,
                };
                let looked = ([first, None, None, None], now);
                looks
                    .borrow_mut()
                    .looked([from, None, None, None], look, looked, &floors);
                floors.get()[0]
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_due_is_found_in_time_whenever_its_transaction_commits(rows in rows()) {
            for (row, found) in rows.iter().zip(found_by_floors(&rows)) {
                if row.commits_after.is_none() {
                    prop_assert_eq!(found, None);
                    continue;
                }
                let late = if row.seen_at() - row.due_at() < DUE_MARGIN_MS { LOOK_MS } else { LATE_MS };
                let limit = row.seen_at().max(row.due_at()) + late;
                prop_assert!(found.is_some_and(|found| found <= limit), "{row:?}: {found:?}, {limit}");
            }
        }

        #[test]
        fn a_lane_s_rows_are_loaded_in_time_whenever_their_transactions_commit(rows in rows()) {
            let loads = loads(&rows, BY_NUMBER);
            for (at, row) in rows.iter().enumerate() {
                let is_loaded = loads.iter().any(|load| load.contains(&at));
                prop_assert_eq!(is_loaded, row.commits_after.is_some(), "{:?}", row);
            }
        }

        #[test]
        fn no_row_of_a_lane_is_loaded_before_one_with_a_lower_number_that_was_committed(rows in rows()) {
            prop_assert_eq!(overtaken(&rows, BY_NUMBER), None);
        }

        #[test]
        fn rows_that_were_dated_ahead_and_loaded_early_hide_none_that_come_later(rows in dated_rows()) {
            let loads = loads(&rows, BY_DATE);
            for (at, row) in rows.iter().enumerate() {
                let load = loads.iter().position(|load| load.contains(&at)).unwrap();
                let late = looks().nth(load).unwrap() - row.seen_at();
                prop_assert!(late < LOOK_MS, "{row:?}: {late} ms");
            }
        }
    }

    /// Rows of an unordered endpoint, some of which wait for hours: an endpoint that recovers loads them too.
    fn dated_rows() -> impl Strategy<Value = Vec<Row>> {
        let waits = prop_oneof![3 => Just(0), 1 => 3_600_000..36_000_000_i64];
        let row = (0..20_000_i64, waits, 0..100_i64);
        let row = row.prop_map(|(written_at, waits, after)| Row {
            written_at,
            waits,
            commits_after: Some(after),
        });
        proptest::collection::vec(row, 1..60)
    }

    /// A lane that is loaded from.
    #[derive(Clone, Copy)]
    struct Lane {
        place: fn(&[Row], usize) -> Place,
        /// Floors wait for open transactions.
        waits: bool,
        /// Rows that one load takes.
        loaded: usize,
    }

    /// That of an ordered endpoint.
    const BY_NUMBER: Lane = Lane {
        place,
        waits: true,
        loaded: LOADED,
    };
    /// That of an unordered endpoint. Each load takes everything there is.
    const BY_DATE: Lane = Lane {
        place: |rows, at| (rows[at].due_at(), place(rows, at).1),
        waits: true,
        loaded: usize::MAX,
    };

    /// Loads of a lane, one for each look: which rows each took.
    fn loads(rows: &[Row], lane: Lane) -> Vec<Vec<usize>> {
        let Lane {
            place,
            waits,
            loaded,
        } = lane;
        let mut floors = LaneFloors::default();
        let mut is_loaded = vec![false; rows.len()];
        let mut loads = Vec::new();
        for now in looks() {
            // A transaction's id is the time at which it began.
            let open = rows.iter().filter(|row| waits && row.is_open(now));
            let oldest = open.map(|row| row.written_at).min().unwrap_or(now);
            floors.begin(Horizon { own: now, oldest });
            let from = floors.from(1, at(now));
            let mut found: Vec<usize> = (0..rows.len())
                .filter(|at| !is_loaded[*at] && rows[*at].seen_at() <= now)
                .filter(|at| from.is_none_or(|from| place(rows, *at) > from))
                .collect();
            found.sort_by_key(|at| place(rows, *at));
            found.truncate(loaded);
            let took = if from.is_none() { DEAR } else { Duration::ZERO };
            let look = Look {
                began: at(now),
                took,
            };
            let last = found.last().map(|at| place(rows, *at));
            floors.loaded(1, from, look, (last, now));
            for at in &found {
                is_loaded[*at] = true;
            }
            loads.push(found);
        }
        loads
    }

    fn place(rows: &[Row], at: usize) -> Place {
        (0, rows[at].written_at * 100 + i64::try_from(at).unwrap())
    }

    /// A committed row before which another with a higher number was loaded.
    fn overtaken(rows: &[Row], lane: Lane) -> Option<usize> {
        let place = lane.place;
        let mut is_loaded = vec![false; rows.len()];
        for (now, load) in looks().zip(loads(rows, lane)) {
            for at in load {
                let is_left = |other: &usize| {
                    !is_loaded[*other]
                        && rows[*other].seen_at() <= now
                        && place(rows, *other) < place(rows, at)
                };
                if let Some(left) = (0..rows.len()).find(is_left) {
                    return Some(left);
                }
                is_loaded[at] = true;
            }
        }
        None
    }

    /// A row of a transaction that lasts for seconds.
    const SLOW: Row = Row {
        written_at: 1_000,
        waits: 0,
        commits_after: Some(8_000),
    };

    fn quick(written_at: i64) -> Row {
        Row {
            written_at,
            waits: 0,
            commits_after: Some(10),
        }
    }

    /// Shown with a lane's floor that depends on time alone.
    #[test]
    fn a_floor_that_waits_for_no_transaction_has_what_commits_late_overtaken() {
        let mut rows = vec![SLOW];
        rows.extend((2..20).map(|n| quick(n * 600)));
        assert_eq!(overtaken(&rows, BY_NUMBER), None);
        let hasty = Lane {
            waits: false,
            ..BY_NUMBER
        };
        assert_eq!(overtaken(&rows, hasty), Some(0));
    }

    /// Shown with a floor at the position that the last look reached, and with one that stays behind it but is
    /// never looked below.
    #[test]
    fn floors_that_nobody_looks_below_lose_what_commits_late() {
        // An outcome that could not be stored for a while: due when the first was.
        let late = Row {
            waits: -8_000,
            ..quick(9_000)
        };
        let rows = [SLOW, late, quick(1_200), quick(9_500)];
        assert!(found_by_floors(&rows).iter().all(Option::is_some));
        for margin in [0, DUE_MARGIN_MS] {
            let floor = std::cell::Cell::new(None);
            let found = found(
                &rows,
                |_| floor.get(),
                |_, now, first| {
                    floor.set(Some(first.map_or(now, |first| first - 1).min(now - margin)));
                    floor.get().unwrap()
                },
            );
            assert_eq!(found[..2], [None; 2], "{margin} ms behind");
        }
    }
}
