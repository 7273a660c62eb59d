//! The due scan: loads retries and lanes whose time has come. It begins and ends with one query for what is due of
//! each kind, and reads rows only of the kinds that are. Nodes share the work: each passes over what another has
//! locked.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    floor::DUE_ORDERS,
    give_back::open_to_all,
    held_lanes::UNFORESEEN_WAIT,
    joining::Joining,
    refill::{Loading, Occasion},
    row::{FoundRow, Reader},
    tx::{Keep, Tx},
};
use crate::{
    delivery::EndReason,
    outbox::placing::Placement,
    store::{
        ask::NextDue,
        due::{Found, LANES_A_SCAN, PROBES_A_SCAN, SCAN_ROWS},
        error::StoreError,
    },
};

/// Whether node `$node` may take a lane that is due: it is its own, or it is nobody's and not offered to another,
/// or was due by `$open_to_all` and still not taken.
macro_rules! may_take {
    ($node:literal, open_to_all $open_to_all:literal) => {
        concat!(
            "(node = ",
            $node,
            " or not owned or node is null and (offered_to is null or offered_to = ",
            $node,
            " or due_at <= ",
            $open_to_all,
            "))"
        )
    };
}

/// Where due retries go.
#[derive(Default)]
struct Placed {
    loading: Loading,
    moved: Moved,
    joining: Joining,
    ended: HashMap<(i64, EndReason), Vec<i64>>,
    /// Those of endpoints that cannot be read, by the endpoints' keys.
    aside: BTreeMap<i64, Vec<i64>>,
}

/// Rows that go to their lanes, as columns.
#[derive(Default)]
struct Moved {
    seqs: Vec<i64>,
    keys: Vec<i64>,
    /// In the lane of an ordered endpoint only the order of its events counts.
    ordered: Vec<bool>,
}

/// When the first of each kind is due: single retries, lanes that a node may take (only its owner may take an
/// owned lane), and arrivals.
pub(super) type FirstDue = [Option<i64>; DUE_ORDERS];

fn by_health([retry, healthy, in_trouble, arrived]: FirstDue) -> NextDue {
    NextDue {
        healthy: [retry, healthy, arrived].into_iter().flatten().min(),
        in_trouble,
    }
}

impl Reader<'_> {
    /// What is due after these due times, at `now`.
    pub(super) async fn first_due(
        &mut self,
        (node, now): (i64, i64),
        from: [i64; DUE_ORDERS],
    ) -> Result<FirstDue, StoreError> {
        let (retry, healthy, in_trouble, arrived) = self
            .query(concat!(
                // Not min(): with the statistics of an empty table, that is planned as a scan of all later rows.
                "select
                     (select due_at from webhooks.delivery
                      where claim is null and not lane and due_at > $2 order by due_at limit 1),
                     (select due_at from webhooks.lane
                      where failures = 0 and due_at > $3 and ",
                may_take!("$1", open_to_all "$6"),
                "
                      order by due_at limit 1),
                     (select due_at from webhooks.lane
                      where failures > 0 and due_at > $4 and ",
                may_take!("$1", open_to_all "$6"),
                "
                      order by due_at limit 1),
                     (select at from webhooks.arrival where at > $5 order by at limit 1)"
            ))
            .bind(node)
            .bind(from[0])
            .bind(from[1])
            .bind(from[2])
            .bind(from[3])
            .bind(open_to_all(now))
            .read_row(self.connection)
            .await?;
        Ok([retry, healthy, in_trouble, arrived])
    }
}

impl Tx<'_> {
    /// Loads what is due: single retries and lanes, but no more than `probes` lanes in trouble. Returns when to
    /// come back.
    pub(super) async fn scan(&mut self, probes: usize) -> Result<NextDue, StoreError> {
        let now = self.now();
        // Usually only one of these is due, or none.
        let first_due = self.first_due().await?;
        let [retries, healthy, trouble, arrivals] =
            first_due.map(|at| at.is_some_and(|at| at <= now));
        if !(retries || healthy || trouble || arrivals) {
            return Ok(by_health(first_due));
        }
        // Each may make what comes after it due.
        if arrivals {
            self.take_arrivals().await?;
        }
        let moved = (retries || arrivals) && self.scan_retries(now).await?;
        if healthy || trouble || arrivals || moved {
            self.scan_lanes(now, probes).await?;
        }
        self.next_due().await
    }

    async fn scan_lanes(&mut self, now: i64, probes: usize) -> Result<(), StoreError> {
        // Two classes, each with an index: endpoints that hang can occupy every place for probes for as
        // long as they like, and lanes of healthy ones that a restart found must not wait behind them.
        let [_, healthy_from, trouble_from, _] = self.due_floors.get();
        let healthy = self
            .due_lanes(HEALTHY_LANES, (healthy_from, now), LANES_A_SCAN)
            .await?;
        let probes = probes.min(PROBES_A_SCAN);
        let in_trouble = self
            .due_lanes(LANES_IN_TROUBLE, (trouble_from, now), probes)
            .await?;
        for (key, occasion) in healthy.into_iter().chain(in_trouble) {
            match self.found(key).await? {
                Found::Outbox(outbox) => self.refill(&outbox, occasion).await?,
                // Maintenance ends what the lane of a removed endpoint holds.
                Found::Removed | Found::Unreadable if occasion == Occasion::Due => {
                    self.set_due(key, None).await?;
                }
                Found::Removed | Found::Unreadable => {}
            }
        }
        Ok(())
    }

    /// Locks lanes that are due. Also returns those of this node that others have locked.
    async fn due_lanes(
        &mut self,
        select: &'static str,
        (from, now): (i64, i64),
        limit: usize,
    ) -> Result<Vec<(i64, Occasion)>, StoreError> {
        let rows: Vec<(i64, bool)> = self
            .query(select)
            .bind(now)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(self.node)
            .bind(from)
            .bind(open_to_all(now))
            .read_rows(self.connection)
            .await?;
        let mut lanes = Vec::with_capacity(rows.len());
        for (key, is_busy) in rows {
            lanes.push(if is_busy {
                (key, Occasion::Busy)
            } else {
                self.lanes.add(key);
                (key, Occasion::Due)
            });
        }
        Ok(lanes)
    }

    pub(super) async fn found(&mut self, key: i64) -> Result<Found, StoreError> {
        Found::of(key, self.by_key(key).await)
    }

    /// When the next retry or lane is due that this node may take.
    pub(super) async fn next_due(&mut self) -> Result<NextDue, StoreError> {
        Ok(by_health(self.first_due().await?))
    }

    async fn first_due(&mut self) -> Result<FirstDue, StoreError> {
        let (at, from) = ((self.node, self.now()), self.due_floors.get());
        self.reader().first_due(at, from).await
    }

    /// Loads single retries. True if some went to their lanes.
    async fn scan_retries(&mut self, now: i64) -> Result<bool, StoreError> {
        // Uses the index delivery_due.
        let rows: Vec<FoundRow> = self
            .query(
                "select d.event_seq, d.endpoint_key, d.attempts, d.number, e.id, e.body, e.traceparent, d.due_at
                 from webhooks.delivery d
                 left join lateral (
                     select x.id, x.body, x.traceparent from webhooks.event x
                     where x.seq = d.event_seq and x.day = d.event_day limit 1) e on true
                 where d.claim is null and not d.lane and d.due_at <= $1 and d.due_at > $3
                 order by d.due_at, d.event_seq limit $2
                 for update of d skip locked",
            )
            .bind(now)
            .bind(SCAN_ROWS)
            .bind(self.due_floors.get()[0])
            .read_rows(self.connection)
            .await?;
        let mut placed = Placed::default();
        let mut refused = None;
        let busy = self.busy_lanes_of(&rows).await?;
        for row in rows {
            if busy.contains(&row.endpoint_key) {
                // It stays due: the next scan finds it.
                continue;
            }
            if let Err(error) = self.place_retry(row, &mut placed).await {
                refused = Some(error);
                break;
            }
        }
        let Placed {
            loading,
            moved,
            joining,
            ended,
            aside,
        } = placed;
        // What was counted in is handed over or counted out again, even if this fails.
        let loaded = loading.write(self).await;
        if let Some(error) = refused {
            return Err(error);
        }
        loaded?;
        let has_moved = !moved.seqs.is_empty();
        if has_moved {
            self.query(
                "update webhooks.delivery d set lane = true, due_at = case when t.ordered then 0 else d.due_at end
                 from unnest($1::int8[], $2::int8[], $3::bool[]) as t(seq, key, ordered)
                 cross join lateral (
                     select x.ctid from webhooks.delivery x
                     where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
                 where d.ctid = found.ctid",
            )
            .bind(&moved.seqs)
            .bind(&moved.keys)
            .bind(&moved.ordered)
            .execute(self.connection)
            .await?;
        }
        for ((key, reason), seqs) in ended {
            self.end(key, &seqs, reason).await?;
        }
        for (key, seqs) in aside {
            self.set_aside(key, &seqs).await?;
        }
        joining.write(self).await?;
        Ok(has_moved)
    }

    /// The lanes that some of these retries have to join and that others hold.
    async fn busy_lanes_of(&mut self, rows: &[FoundRow]) -> Result<HashSet<i64>, StoreError> {
        let keys: BTreeSet<i64> = rows.iter().map(|row| row.endpoint_key).collect();
        let mut joined = BTreeSet::new();
        for key in keys {
            match self.found(key).await? {
                Found::Outbox(outbox) if !outbox.adds_to_lane() => {}
                // Deliveries to an endpoint that cannot be read are set aside in its lane.
                Found::Outbox(_) | Found::Unreadable => {
                    joined.insert(key);
                }
                Found::Removed => {}
            }
        }
        self.busy_lanes(&joined).await
    }

    async fn place_retry(
        &mut self,
        mut row: FoundRow,
        placed: &mut Placed,
    ) -> Result<(), StoreError> {
        let key = row.endpoint_key;
        let outbox = match self.found(key).await? {
            Found::Outbox(outbox) => Some(outbox),
            Found::Removed => None,
            Found::Unreadable => {
                placed.aside.entry(key).or_default().push(row.seq);
                return Ok(());
            }
        };
        let (Some(outbox), Some(event)) = (outbox, row.event.take()) else {
            let ended = placed.ended.entry((key, EndReason::Removed));
            ended.or_default().push(row.seq);
            return Ok(());
        };
        match outbox.place(event.body.len()) {
            Placement::Refuse => {
                let ended = placed.ended.entry((key, EndReason::Disabled));
                ended.or_default().push(row.seq);
            }
            Placement::Lane { wake } => {
                self.lane_floors.forget(key);
                placed.moved.seqs.push(row.seq);
                placed.moved.keys.push(key);
                placed.moved.ordered.push(outbox.endpoint().ordered);
                placed.joining.add(&outbox, wake, &[row.seq]);
            }
            Placement::Memory { lane, retreats } => {
                let places = (lane, retreats);
                placed.loading.add(self, &outbox, (&row, event), places);
            }
        }
        Ok(())
    }

    /// Moves retries of an endpoint that cannot be read to a lane that is not tried. If others hold the lane, the
    /// retries stay due: the next scan finds them.
    async fn set_aside(&mut self, key: i64, seqs: &[i64]) -> Result<(), StoreError> {
        if self.lanes.holds(key) {
            return self.move_to_idle_lane(key, seqs).await;
        }
        let set_aside =
            async |tx: &mut Tx<'_>| Ok((tx.move_to_idle_lane(key, seqs).await?, Keep::All));
        self.unless_busy(UNFORESEEN_WAIT, set_aside).await.map(drop)
    }

    async fn move_to_idle_lane(&mut self, key: i64, seqs: &[i64]) -> Result<(), StoreError> {
        self.query(
            "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures) values ($1, null, 0, 0)
             on conflict (endpoint_key) do update set due_at = null",
        )
        .bind(key)
        .execute(self.connection)
        .await?;
        self.lanes.add(key);
        self.query(
            "update webhooks.delivery set lane = true
             where event_seq = any($1) and endpoint_key = $2 and claim is null",
        )
        .bind(seqs)
        .bind(key)
        .execute(self.connection)
        .await?;
        Ok(())
    }
}

/// Includes lanes of this node that others are adding to at this moment: with many senders, that is most of
/// the time.
const HEALTHY_LANES: &str = concat!(
    "
    with free as materialized (
        select endpoint_key from webhooks.lane
        where failures = 0 and due_at <= $1 and due_at > $4 and ",
    may_take!("$3", open_to_all "$5"),
    "
        order by due_at limit $2 for update skip locked)
    select endpoint_key, false from free
    union all (
        select endpoint_key, true from webhooks.lane
        where failures = 0 and due_at <= $1 and due_at > $4 and node = $3 and owned
              and endpoint_key not in (select endpoint_key from free)
        order by due_at limit $2)"
);
const LANES_IN_TROUBLE: &str = concat!(
    "
    select endpoint_key, false from webhooks.lane
    where failures > 0 and due_at <= $1 and due_at > $4 and ",
    may_take!("$3", open_to_all "$5"),
    "
    order by due_at limit $2 for update skip locked"
);
