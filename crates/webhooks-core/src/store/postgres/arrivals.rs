//! Deliveries that were added to a lane by a transaction that did not touch the lane's row.
//!
//! An app's own transaction can last for minutes, and whoever waits for a row that it has locked waits just as
//! long. So it adds to a kept lane without touching the lane's row, and notes that in the table `arrival`. A
//! node that scans for due work sees the note, removes it, and makes the lane's owner look. The note becomes
//! visible when the transaction is committed, however late that is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{joining::Joining, tx::Tx};
use crate::{
    outbox::{Outbox, placing::Placement},
    store::{due::Found, error::StoreError},
};

/// Arrivals that one scan takes: bounds how long it keeps the writer from sends.
const ARRIVALS_A_SCAN: i64 = 256;

/// Deliveries, as columns.
#[derive(Default)]
struct Deliveries {
    seqs: Vec<i64>,
    keys: Vec<i64>,
}

impl Deliveries {
    fn add(&mut self, key: i64, seqs: &[i64]) {
        self.seqs.extend(seqs);
        self.keys.extend(seqs.iter().map(|_| key));
    }
}

impl Tx<'_> {
    /// Makes lanes due that got rows by a note only. Lanes that others have locked are left for the next
    /// time.
    pub(super) async fn take_arrivals(&mut self) -> Result<(), StoreError> {
        // Uses the index arrival_at.
        let [.., from] = self.due_floors.get();
        let rows: Vec<(i64, i64)> = self
            .query(
                "select event_seq, endpoint_key from webhooks.arrival where at > $1
                 order by at limit $2 for update skip locked",
            )
            .bind(from)
            .bind(ARRIVALS_A_SCAN)
            .read_rows(self.connection)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut arrived: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (seq, key) in rows {
            arrived.entry(key).or_default().push(seq);
        }
        let mut kept: BTreeMap<i64, Arc<Outbox>> = BTreeMap::new();
        for key in arrived.keys() {
            if let Found::Outbox(outbox) = self.found(*key).await?
                && outbox.endpoint().keeps_lane
            {
                kept.insert(*key, outbox);
            }
        }
        let keys: BTreeSet<i64> = kept.keys().copied().collect();
        let busy = self.busy_lanes(&keys).await?;
        let (mut taken, mut strays) = (Deliveries::default(), Deliveries::default());
        let mut joining = Joining::default();
        for (key, seqs) in &arrived {
            if busy.contains(key) {
                continue;
            }
            taken.add(*key, seqs);
            match kept.get(key).map(|outbox| (outbox, outbox.place(0))) {
                Some((outbox, Placement::Lane { wake })) => {
                    self.lane_floors.forget(*key);
                    joining.add(outbox, wake, seqs);
                }
                // The endpoint no longer keeps a lane, or gets nothing.
                _ => strays.add(*key, seqs),
            }
        }
        self.take_out_of_lanes(&strays).await?;
        self.forget_arrivals(&taken).await?;
        joining.write(self).await
    }

    /// Makes each delivery due by itself: the scan for single deliveries places them.
    async fn take_out_of_lanes(&mut self, of: &Deliveries) -> Result<(), StoreError> {
        if of.seqs.is_empty() {
            return Ok(());
        }
        self.query(
            "update webhooks.delivery d set lane = false, due_at = $3
             from unnest($1::int8[], $2::int8[]) as t(seq, key)
             cross join lateral (
                 select x.ctid from webhooks.delivery x
                 where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
             where d.ctid = found.ctid and d.claim is null and d.lane",
        )
        .bind(&of.seqs)
        .bind(&of.keys)
        .bind(self.now())
        .execute(self.connection)
        .await?;
        Ok(())
    }

    async fn forget_arrivals(&mut self, of: &Deliveries) -> Result<(), StoreError> {
        if of.seqs.is_empty() {
            return Ok(());
        }
        self.query(
            "delete from webhooks.arrival a
             using unnest($1::int8[], $2::int8[]) as t(seq, key)
             cross join lateral (
                 select x.ctid from webhooks.arrival x
                 where x.event_seq = t.seq and x.endpoint_key = t.key limit 1) found
             where a.ctid = found.ctid",
        )
        .bind(&of.seqs)
        .bind(&of.keys)
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// Notes rows of a lane that this transaction adds without touching the lane's row.
    pub(super) async fn note_arrivals(&mut self, key: i64, seqs: &[i64]) -> Result<(), StoreError> {
        let now = self.now();
        self.query(
            "insert into webhooks.arrival (event_seq, endpoint_key, at)
             select seq, $2, $3 from unnest($1::int8[]) as t(seq)
             on conflict (event_seq, endpoint_key) do nothing",
        )
        .bind(seqs)
        .bind(key)
        .bind(now)
        .execute(self.connection)
        .await?;
        self.commit.due_by(now);
        Ok(())
    }
}
