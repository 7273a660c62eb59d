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
        let is_left =
            |at: &usize, found: &[Option<i64>]| found[*at].is_none() && rows[*at].seen_at() <= now;
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
            let late = if row.seen_at() - row.due_at() < millis(DUE_MARGIN) { LOOK_MS } else { LATE_MS };
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
    for margin in [0, millis(DUE_MARGIN)] {
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

#[test]
fn a_clock_that_is_set_forward_hides_nothing_that_is_committed_just_after() {
    const SET_FORWARD_AT: i64 = 8_000;
    const BY: i64 = 400_000;
    // Its due time is from just before.
    const DUE_AT: i64 = SET_FORWARD_AT + 1_000;
    const SEEN_AT: i64 = SET_FORWARD_AT + 2 * LOOK_MS + 10;
    let mut due_looks = DueLooks::default();
    let floors = DueFloors::default();
    let found = looks().find(|real| {
        let now = real + if *real < SET_FORWARD_AT { 0 } else { BY };
        let from = due_looks.from(at(*real))[0];
        let is_seen = *real >= SEEN_AT;
        let first = Some(DUE_AT).filter(|due| is_seen && from.is_none_or(|from| *due > from));
        let look = Look {
            began: at(*real),
            took: if from.is_none() { DEAR } else { Duration::ZERO },
        };
        let looked = ([first, None, None, None], now);
        due_looks.looked([from, None, None, None], look, looked, &floors);
        is_seen && DUE_AT > floors.get()[0]
    });
    assert!(
        found.is_some_and(|found| found <= SEEN_AT + LOOK_MS),
        "{found:?}"
    );
}
