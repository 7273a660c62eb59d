//! The lanes that new deliveries join: those that do not exist are made, and idle ones become due.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    bell::Concerned,
    held_lanes::UNFORESEEN_WAIT,
    session::Statement,
    tx::{Keep, Tx},
};
use crate::{model::outcome::Backoff, outbox::Outbox, store::error::StoreError};

/// Adds the lanes of `$from`, each with whether it is owned, or makes existing ones due; returns the columns
/// of a [`JoinedRow`].
///
/// A lane that no longer exists was left by another node: whichever node comes first looks at it. A lane that
/// another node owns is made due whatever memory knows: its owner looks.
macro_rules! join_lanes {
    ($from:literal, woken $woken:literal, now $now:literal, node $node:literal) => {
        concat!(
            "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned)
             select key, ",
            $now,
            ", 0, 0, owned from ",
            $from,
            " as t(key, owned)
             on conflict (endpoint_key) do update
             set due_at = case
                 when (lane.due_at is null and (excluded.endpoint_key = any(",
            $woken,
            ") or lane.owned and lane.node is distinct from ",
            $node,
            "))
                      or lane.due_at > greatest(lane.backoff_until, ",
            $now,
            ")
                 then greatest(lane.backoff_until, ",
            $now,
            ") else lane.due_at end
             where lane.owned or (lane.due_at is null and (excluded.endpoint_key = any(",
            $woken,
            ") or lane.owned and lane.node is distinct from ",
            $node,
            "))
                or lane.due_at > greatest(lane.backoff_until, ",
            $now,
            ")
             returning endpoint_key, node, xmax = 0 as is_new, due_at <= ",
            $now,
            " as is_due"
        )
    };
}
pub(super) use join_lanes;

/// Lanes that get rows.
#[derive(Default)]
pub(super) struct Joining {
    lanes: BTreeMap<i64, JoiningLane>,
}

/// A lane that gets rows.
struct JoiningLane {
    outbox: Arc<Outbox>,
    /// Nothing in memory would come back to it.
    wakes: bool,
    seqs: Vec<i64>,
}

impl Joining {
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// `wakes`: nothing in memory would come back to the lane.
    pub(super) fn add(&mut self, outbox: &Arc<Outbox>, wakes: bool, seqs: &[i64]) {
        let lane = self
            .lanes
            .entry(outbox.key())
            .or_insert_with(|| JoiningLane {
                outbox: Arc::clone(outbox),
                wakes: false,
                seqs: Vec::new(),
            });
        lane.wakes |= wakes;
        lane.seqs.extend(seqs);
    }

    /// If the transaction fails, their outboxes are looked at again.
    pub(super) fn touch(&self, tx: &mut Tx<'_>) {
        for lane in self.lanes.values() {
            tx.commit.touched.push(Arc::clone(&lane.outbox));
        }
    }

    /// Makes sure that the lanes exist, and are tried no later than their backoff allows.
    pub(super) async fn write(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.touch(tx);
        if tx.lanes.are_first {
            // All of them, in the order of their keys.
            return self.join(tx).await;
        }
        let lanes = self.lanes.into_iter();
        let (held, unforeseen) = lanes.partition(|(key, _)| tx.lanes.holds(*key));
        Self { lanes: held }.join(tx).await?;
        Self { lanes: unforeseen }.join_or_leave_word(tx).await
    }

    /// Joins lanes that turned up late. A transaction that holds other lanes does not wait for one indefinitely,
    /// because its holder may be waiting for one of those. If it does not get the lane, it notes the rows, and
    /// whichever node scans next finds the note.
    async fn join_or_leave_word(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let join = async |tx: &mut Tx<'_>| Ok((self.join(tx).await?, Keep::All));
        if tx.unless_busy(UNFORESEEN_WAIT, join).await?.is_none() {
            for (key, lane) in &self.lanes {
                tx.note_arrivals(*key, &lane.seqs).await?;
            }
        }
        Ok(())
    }

    async fn join(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let statement = tx.query(join_lanes!(
            "unnest($1::int8[], $2::bool[])",
            woken "$3",
            now "$4",
            node "$5"
        ));
        let rows = self
            .bind_to(statement)
            .bind(tx.now())
            .bind(tx.node)
            .read_rows(tx.connection)
            .await?;
        for key in self.lanes.keys() {
            tx.lanes.add(*key);
        }
        self.joined(tx, &Joined::of(rows));
        Ok(())
    }

    /// Binds lanes, whether each is owned, and those that are woken.
    pub(super) fn bind_to(&self, statement: Statement) -> Statement {
        let keys: Vec<i64> = self.lanes.keys().copied().collect();
        let outboxes = self.lanes.values().map(|lane| &lane.outbox);
        let owned: Vec<bool> = outboxes.map(|of| of.endpoint().keeps_lane).collect();
        let woken = self.lanes.iter().filter(|(_, lane)| lane.wakes);
        let woken: Vec<i64> = woken.map(|(key, _)| *key).collect();
        statement.bind(&keys).bind(&owned).bind(woken)
    }

    /// What follows for memory, and for other nodes.
    pub(super) fn joined(&self, tx: &mut Tx<'_>, Joined(changed): &Joined) {
        let now = tx.now();
        for lane in changed.values() {
            if let Some(node) = lane.node.filter(|node| *node != tx.node)
                && lane.is_due
            {
                tx.concerned.owner(node);
            }
        }
        for (key, JoiningLane { outbox, wakes, .. }) in &self.lanes {
            let found = changed.get(key);
            let is_elsewhere =
                found.is_some_and(|lane| lane.node.is_some_and(|node| node != tx.node));
            let is_new = found.is_some_and(|lane| lane.is_new);
            if is_new && outbox.is_in_trouble() {
                // It recovered elsewhere.
                outbox.take_over_lane(Backoff::default());
            }
            if (*wakes || is_new) && !is_elsewhere {
                tx.commit.follow(outbox, outbox.wake());
                tx.commit.due_by(now);
            } else if found.is_some() && outbox.is_in_trouble() {
                // A lane in trouble may have been waiting for the retry of another delivery, hours away.
                tx.commit.due_by(outbox.backoff_until().max(now));
            }
        }
    }

    /// They were joined, but it is not known in what state they were: all nodes look.
    pub(super) fn perhaps_joined(self, tx: &mut Tx<'_>) {
        if self.is_empty() {
            return;
        }
        for JoiningLane { outbox, .. } in self.lanes.values() {
            tx.commit.follow(outbox, outbox.lane_is_uncertain());
        }
        tx.commit.due_by(tx.now());
        tx.concerned.join(Concerned::All);
    }
}

/// Lanes that were joined and had to be changed, by their keys.
#[derive(Default)]
pub(super) struct Joined(BTreeMap<i64, JoinedLane>);

struct JoinedLane {
    node: Option<i64>,
    is_new: bool,
    is_due: bool,
}

/// A lane's key and node, whether it is new and whether it is due; without a key there is no lane.
pub(super) type JoinedRow = (Option<i64>, Option<i64>, Option<bool>, Option<bool>);

impl Joined {
    pub(super) fn of(rows: impl IntoIterator<Item = JoinedRow>) -> Self {
        let lanes = rows.into_iter().filter_map(|(key, node, is_new, is_due)| {
            let lane = JoinedLane {
                node,
                is_new: is_new == Some(true),
                is_due: is_due == Some(true),
            };
            Some((key?, lane))
        });
        Self(lanes.collect())
    }
}
