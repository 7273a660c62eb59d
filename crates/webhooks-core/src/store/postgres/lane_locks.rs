//! The order in which transactions lock lanes: every lane that a transaction is known to need when it begins, in
//! the order of their keys, before it locks anything else that others want. A lane that turns up later is taken if
//! nobody holds it, or after a moment's wait; otherwise its rows are only noted, for a later transaction
//! (`arrivals.rs`).
//!
//! A lane that does not exist, and that another transaction is creating, cannot be locked; so the lanes that a
//! transaction would create are created first. Without a fixed order, two nodes that send to each other's ordered
//! endpoints would each hold the lane that the other waits for. After lanes come deliveries, endpoints, and the
//! version of all endpoints.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use super::{endpoints::keys_of, tx::Tx};
use crate::{
    endpoint::wants,
    model::{endpoint::EndpointOf, outcome::Verdict},
    outbox::Outbox,
    store::{ask::Ask, completion::Completion, error::StoreError, queue::Batch},
};

impl Tx<'_> {
    /// Loads the endpoints that a batch is about into memory, and locks their lanes.
    pub(super) async fn lock_lanes_of(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let of_sends = batch.sends.iter().map(|send| send.customer.as_str());
        let of_asks = batch.asks.iter().filter_map(endpoint_of);
        let customers = of_sends.chain(of_asks.map(|of| of.customer.as_str()));
        self.know_customers(customers).await?;
        let mut sent = batch.sends.iter().flat_map(|send| &send.events);
        let chooses_ids = sent.any(|event| event.is_id_chosen);
        if batch.completions.is_empty() && batch.asks.is_empty() && !chooses_ids {
            // Its sends join their lanes in one statement, which keeps to the order by itself; until then others
            // may hold them.
            self.lanes.are_first = true;
            return Ok(());
        }
        let completions = batch.completions.iter();
        let of_outcomes = completions
            .filter(|completion| dates_lane(completion))
            .map(|completion| Arc::clone(&completion.outbox));
        let mut dated: BTreeMap<i64, bool> = of_outcomes
            .map(|outbox| (outbox.key(), outbox.endpoint().keeps_lane))
            .collect();
        let mut keys = BTreeSet::new();
        for (ask, (key, is_kept)) in self.lanes_of_asks(&batch.asks).await? {
            keys.insert(key);
            if makes_lane(ask) {
                dated.insert(key, is_kept);
            }
        }
        self.make_lanes(&dated).await?;
        keys.extend(dated.into_keys());
        self.add_lanes_of_sends(batch, &mut keys);
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = keys.into_iter().collect();
        let locked = self
            .query(
                "select endpoint_key from webhooks.lane where endpoint_key = any($1)
                 order by endpoint_key for update",
            )
            .bind(keys)
            .read_values(self.connection)
            .await?;
        for key in locked {
            self.lanes.add(key);
        }
        Ok(())
    }

    /// The lanes that asks may change, and whether each is kept, as far as is known: that of an endpoint that
    /// memory does not have, because it cannot be read, counts as kept if the endpoint is ordered.
    async fn lanes_of_asks<'a>(
        &mut self,
        asks: &'a [Ask],
    ) -> Result<Vec<(&'a Ask, (i64, bool))>, StoreError> {
        let mut lanes = Vec::new();
        let mut unknown = Vec::new();
        for ask in asks {
            match ask {
                Ask::Refill(outbox) => lanes.push((ask, lane_of(outbox))),
                Ask::Replay(key, ..) => lanes.push((ask, (*key, false))),
                ask => match endpoint_of(ask).map(|of| (of, self.outbox_of(of))) {
                    Some((_, Some(outbox))) => lanes.push((ask, lane_of(&outbox))),
                    Some((of, None)) => unknown.push((ask, of)),
                    None => {}
                },
            }
        }
        if !unknown.is_empty() {
            let ids: Vec<&str> = unknown.iter().map(|(_, of)| of.id.as_str()).collect();
            let found = keys_of(&mut self.reader(), &ids).await?;
            let found = unknown
                .into_iter()
                .filter_map(|(ask, of)| Some((ask, *found.get(of.id.as_str())?)));
            lanes.extend(found);
        }
        Ok(lanes)
    }

    /// Creates the missing lanes whose due time outcomes and people will set: a transaction that adds a lane which
    /// another is adding waits for that one, and it cannot be locked before. Each comes with whether it is kept.
    async fn make_lanes(&mut self, lanes: &BTreeMap<i64, bool>) -> Result<(), StoreError> {
        if lanes.is_empty() {
            return Ok(());
        }
        let (keys, kept): (Vec<i64>, Vec<bool>) =
            lanes.iter().map(|(key, kept)| (*key, *kept)).unzip();
        self.query(
            "insert into webhooks.lane (endpoint_key, due_at, backoff_until, failures, owned)
             select key, $3, 0, 0, kept from unnest($1::int8[], $2::bool[]) as t(key, kept)
             where not exists (select 1 from webhooks.lane x where x.endpoint_key = t.key)
             order by key
             on conflict (endpoint_key) do nothing",
        )
        .bind(&keys)
        .bind(&kept)
        .bind(self.now())
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// Locks those lanes of these endpoints that nobody holds. Returns the others: waiting for those, while
    /// holding lanes that come after them in the order, might never end.
    pub(super) async fn busy_lanes(
        &mut self,
        keys: &BTreeSet<i64>,
    ) -> Result<HashSet<i64>, StoreError> {
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let keys: Vec<i64> = keys.iter().copied().collect();
        let rows: Vec<(i64, bool)> = self
            .query(
                "with free as materialized (
                     select endpoint_key from webhooks.lane where endpoint_key = any($1)
                     order by endpoint_key for update skip locked)
                 select endpoint_key, endpoint_key in (select endpoint_key from free)
                 from webhooks.lane where endpoint_key = any($1)",
            )
            .bind(keys)
            .read_rows(self.connection)
            .await?;
        let mut busy = HashSet::new();
        for (key, is_free) in rows {
            if is_free {
                self.lanes.add(key);
            } else {
                busy.insert(key);
            }
        }
        Ok(busy)
    }

    fn outbox_of(&self, of: &EndpointOf) -> Option<Arc<Outbox>> {
        let outboxes = self.endpoints.cache.of_customer(&of.customer)?;
        let found = outboxes.iter().find(|found| found.endpoint().id == of.id);
        found.map(Arc::clone)
    }

    fn add_lanes_of_sends(&self, batch: &Batch, keys: &mut BTreeSet<i64>) {
        for send in &batch.sends {
            let outboxes = self.endpoints.cache.of_customer(&send.customer);
            for outbox in outboxes.iter().flat_map(|outboxes| outboxes.iter()) {
                let is_wanted = || {
                    let types = &outbox.endpoint().event_types;
                    let mut events = send.events.iter();
                    events.any(|event| wants(types, &event.event_type))
                };
                if outbox.adds_to_lane() && is_wanted() {
                    keys.insert(outbox.key());
                }
            }
        }
    }
}

fn dates_lane(completion: &Completion) -> bool {
    matches!(completion.verdict, Verdict::Lane { .. })
        || completion.consequences.lane.is_some()
        || completion.consequences.disabled.is_some()
}

fn lane_of(outbox: &Outbox) -> (i64, bool) {
    (outbox.key(), outbox.endpoint().keeps_lane)
}

/// Whether an ask creates a lane if there is none.
fn makes_lane(ask: &Ask) -> bool {
    match ask {
        Ask::Edit(_, change, _) => change.sets_limit(),
        Ask::Remove(..) | Ask::ChangeState(..) => true,
        _ => false,
    }
}

/// The endpoint whose lane an ask may change.
fn endpoint_of(ask: &Ask) -> Option<&EndpointOf> {
    match ask {
        Ask::Edit(of, ..) | Ask::Remove(of, _) | Ask::ChangeState(of, ..) => Some(of),
        Ask::Resend(of, _) | Ask::TakeAway(of, ..) => Some(&of.endpoint),
        _ => None,
    }
}
