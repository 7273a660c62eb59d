//! Nodes: every engine has a row that says that it is alive, and claims what it holds under its number.
//!
//! A number is new at each start, and is never a host name: two nodes with the same identity would each take
//! the other's claims for their own. A node is alive while its row says so. Claiming holds a lock on that row
//! (`for key share`), and declaring a node dead needs the exclusive one: so a node cannot claim anything
//! after its death.

use std::{collections::BTreeSet, time::Duration};

use super::row::Reader;
use crate::{
    model::{
        endpoint::EndpointOf,
        uptime::{Outage, Uptime},
    },
    store::{claim::before_first_of, error::StoreError},
};

/// For how long a node that is not heard from is taken for alive.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// For how long a node that is not heard from is taken for alive, and the times derived from that.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseTimes {
    pub(super) lease: Duration,
    /// The interval of a node's heartbeats: a second.
    pub(super) beat_wait: Duration,
    /// How long after its last heartbeat a node stops starting requests: 7 s, well before another may take its work.
    pub(super) stop_after: Duration,
}

impl LeaseTimes {
    pub(super) fn of(lease: Duration) -> Self {
        Self {
            lease,
            beat_wait: lease / 10,
            stop_after: lease * 7 / 10,
        }
    }
}

/// How long a statement that frees what a node held may take: it reads everything that is pending, and writes
/// some hundred thousand deliveries. If its connection goes silent, it is tried again only after this long.
pub(super) const FREE_LIMIT: Duration = Duration::from_secs(60);

/// A gap up to this is not an outage: a restart, and some time to spare.
const GAP_MAX_MS: i64 = 60_000;

/// Whether somebody reads the live stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Nobody,
    Somebody,
}

/// The last heartbeat of a node, by the database's clock in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    pub(super) node: i64,
    pub(super) at: i64,
}

/// A node that may be dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silent {
    /// It is dead only if this is still its last heartbeat.
    pub(super) last: Beat,
    /// Whether it is dead whatever the database's clock says. Otherwise it is dead only if that clock says so
    /// too, because a heartbeat is seen some time after it was made.
    pub(super) for_a_lease: bool,
}

/// What a node finds about the other live ones.
pub(super) struct Alive {
    pub(super) others: Vec<Beat>,
    /// Whether somebody reads the live stream on one of them.
    pub(super) elsewhere: Reading,
    /// Those of them that are not shutting down.
    pub(super) staying: Vec<i64>,
}

impl Alive {
    /// The number of live nodes, including the asking one.
    pub(super) fn engines(&self) -> usize {
        self.others.len() + 1
    }
}

impl Reader<'_> {
    /// The database's clock in milliseconds.
    pub(super) async fn clock(&mut self) -> Result<i64, StoreError> {
        self.query("select (extract(epoch from clock_timestamp()) * 1000)::int8")
            .read_value(self.connection)
            .await
    }

    /// Until the end of the transaction the server may work on a statement for this long.
    pub(super) async fn take_as_long_as(&mut self, limit: Duration) -> Result<(), StoreError> {
        self.query("select set_config('statement_timeout', $1, true)")
            .bind(limit.as_millis().to_string())
            .execute(self.connection)
            .await?;
        Ok(())
    }

    /// Joins as a new node at `now`. Returns its number.
    pub(super) async fn join(&mut self, name: &str, now: i64) -> Result<i64, StoreError> {
        self.query(
            "insert into webhooks.node (id, name, seen_at, reached_at, alive)
             values (nextval('webhooks.node_id'), $1, clock_timestamp(), $2, true) returning id",
        )
        .bind(name)
        .bind(now)
        .read_value(self.connection)
        .await
    }

    /// Records that a node is alive, and whether somebody reads the live stream there. Returns what it finds
    /// about the others; `None` if it was declared dead.
    pub(super) async fn beat(
        &mut self,
        node: i64,
        now: i64,
        reading: Reading,
    ) -> Result<Option<Alive>, StoreError> {
        let beat = self
            .query(
                "update webhooks.node
                 set seen_at = clock_timestamp(), reached_at = greatest(reached_at, $2), listens = $3
                 where id = $1 and alive",
            )
            .bind(node)
            .bind(now)
            .bind(reading == Reading::Somebody)
            .execute(self.connection)
            .await?;
        if beat == 0 {
            return Ok(None);
        }
        let rows: Vec<(i64, i64, bool, bool)> = self
            .query(
                "select id, (extract(epoch from seen_at) * 1000000)::int8, listens, leaving
                 from webhooks.node where alive and id <> $1",
            )
            .bind(node)
            .read_rows(self.connection)
            .await?;
        let mut alive = Alive {
            others: Vec::with_capacity(rows.len()),
            elsewhere: Reading::Nobody,
            staying: Vec::with_capacity(rows.len()),
        };
        for (node, at, listens, is_leaving) in rows {
            if listens {
                alive.elsewhere = Reading::Somebody;
            }
            if !is_leaving {
                alive.staying.push(node);
            }
            alive.others.push(Beat { node, at });
        }
        Ok(Some(alive))
    }

    /// Records that a node has heard of every change of an endpoint up to `version`.
    pub(super) async fn note_heard(&mut self, node: i64, version: i64) -> Result<(), StoreError> {
        self.query(
            "update webhooks.node set seen_version = $2 where id = $1 and seen_version < $2",
        )
        .bind(node)
        .bind(version)
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// Whether another node may still use what an endpoint was before its last change: its lease has not
    /// ended, and it has not heard of the change.
    pub(super) async fn is_unheard(
        &mut self,
        (this, lease): (i64, Duration),
        endpoint: &EndpointOf,
    ) -> Result<bool, StoreError> {
        self.query(
            "select exists (
                 select 1 from webhooks.node
                 where id <> $1 and alive and seen_at >= clock_timestamp() - make_interval(secs => $2)
                   and seen_version < (select version from webhooks.endpoint where customer = $3 and id = $4))",
        )
        .bind(this)
        .bind(lease.as_secs_f64())
        .bind(&endpoint.customer)
        .bind(endpoint.id.as_str())
        .read_value(self.connection)
        .await
    }

    /// Declares a node dead that was not heard from for the time of a lease, and frees what it held. Returns which
    /// node, and how many deliveries it held; `None` if there is no such node. Needs a transaction for each node:
    /// the lanes of two would not be locked in the order of their keys.
    pub(super) async fn reap(
        &mut self,
        (silent, lease): (&[Silent], Duration),
        now: i64,
    ) -> Result<Option<Reaped>, StoreError> {
        let nodes: Vec<i64> = silent.iter().map(|silent| silent.last.node).collect();
        let beats: Vec<i64> = silent.iter().map(|silent| silent.last.at).collect();
        let certain: Vec<bool> = silent.iter().map(|silent| silent.for_a_lease).collect();
        let node = self
            .query(
                "update webhooks.node set alive = false where id in (
                     select n.id from webhooks.node n
                     join unnest($1::int8[], $2::int8[], $3::bool[]) as silent(id, last, certain) on silent.id = n.id
                     where n.alive and (extract(epoch from n.seen_at) * 1000000)::int8 = silent.last
                           and (silent.certain or n.seen_at < clock_timestamp() - make_interval(secs => $4))
                     limit 1 for update of n skip locked)
                 returning id",
            )
            .bind(nodes)
            .bind(beats)
            .bind(certain)
            .bind(lease.as_secs_f64())
            .find_value(self.connection)
            .await?;
        let Some(node) = node else {
            return Ok(None);
        };
        let deliveries = self.free(node, now).await?;
        Ok(Some(Reaped { node, deliveries }))
    }

    /// A node shuts down, or gives its number up: what it held is free at once. This waits for its writer's open
    /// transaction: after it nothing is claimed under that number.
    pub(super) async fn leave(&mut self, node: i64, now: i64) -> Result<u64, StoreError> {
        self.query("select 1 from webhooks.node where id = $1 for update")
            .bind(node)
            .execute(self.connection)
            .await?;
        self.query("update webhooks.node set alive = false, reached_at = greatest(reached_at, $2) where id = $1")
            .bind(node)
            .bind(now)
            .execute(self.connection)
            .await?;
        self.free(node, now).await
    }

    /// Makes due what a dead node held. It finds the rows by reading everything that is pending: an index on
    /// claims would cost every delivery something, and this happens once in a node's life.
    async fn free(&mut self, dead: i64, now: i64) -> Result<u64, StoreError> {
        // Our sessions avoid reading whole tables; here that is the quickest way.
        self.query("set local enable_seqscan = on")
            .execute(self.connection)
            .await?;
        let (first, last) = (before_first_of(dead), before_first_of(dead + 1));
        let of_rows: Vec<i64> = self
            .query(
                "select distinct endpoint_key from webhooks.delivery
                 where claim >= $1 and claim < $2 and lane",
            )
            .bind(first)
            .bind(last)
            .read_values(self.connection)
            .await?;
        // Lanes before deliveries, and in the order of their keys, as in every transaction.
        let lanes: Vec<i64> = self
            .query(
                "select endpoint_key from webhooks.lane
                 where node = $1 or node is null and due_at is null or endpoint_key = any($2)
                 order by endpoint_key for update",
            )
            .bind(dead)
            .bind(&of_rows)
            .read_values(self.connection)
            .await?;
        // Each due by itself, if its lane was left: creating the lane might mean waiting while holding others.
        let freed = self
            .query(
                "update webhooks.delivery
                 set claim = null, lane = lane and endpoint_key = any($4),
                     due_at = case when lane and endpoint_key = any($4) then least(due_at, $3) else $3 end
                 where claim >= $1 and claim < $2",
            )
            .bind(first)
            .bind(last)
            .bind(now)
            .bind(&lanes)
            .execute(self.connection)
            .await?;
        let keys = of_rows.into_iter().collect();
        self.date_lanes_of_others(dead, keys, now).await?;
        // The lanes that it held, and those that nobody would come back to. Those of a paused endpoint wait
        // until a person resumes it.
        self.query(
            "update webhooks.lane l set node = null, offered_to = null,
                 due_at = case when e.state = 'active' then greatest(l.due_at, l.backoff_until, $2) else l.due_at end
             from webhooks.endpoint e
             where e.key = l.endpoint_key and (l.node = $1 or l.node is null and l.due_at is null)",
        )
        .bind(dead)
        .bind(now)
        .execute(self.connection)
        .await?;
        self.query("delete from webhooks.node where not alive and id < $1 and seen_at < clock_timestamp() - interval '1 day'")
            .bind(dead)
            .execute(self.connection)
            .await?;
        Ok(freed)
    }

    /// Makes lanes due that got rows of `node` back and do not belong to it: their holder has loaded everything
    /// that was in them, and would not look again.
    pub(super) async fn date_lanes_of_others(
        &mut self,
        node: i64,
        keys: BTreeSet<i64>,
        now: i64,
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<i64> = keys.into_iter().collect();
        self.query(
            "update webhooks.lane l set due_at = greatest(l.backoff_until, $3)
             from webhooks.endpoint e
             where l.endpoint_key = any($1) and e.key = l.endpoint_key and e.state = 'active'
                   and l.node is distinct from $2
                   and (l.due_at is null or l.due_at > greatest(l.backoff_until, $3))",
        )
        .bind(keys)
        .bind(node)
        .bind(now)
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// The times in which no node ran, for a node that starts at `now`.
    pub(super) async fn uptime(&mut self, now: i64) -> Result<Uptime, StoreError> {
        let rows: Vec<(i64, i64)> = self
            .query("select began_at, ended_at from webhooks.outage order by began_at")
            .read_rows(self.connection)
            .await?;
        let stored = rows.into_iter().map(|(from, until)| Outage { from, until });
        let reached: Option<i64> = self
            .query("select max(reached_at) from webhooks.node")
            .read_value(self.connection)
            .await?;
        let last = reached
            .filter(|reached| now.saturating_sub(*reached) > GAP_MAX_MS)
            .map(|reached| Outage {
                from: reached,
                until: now,
            });
        let uptime = Uptime::new(stored.collect(), last);
        if last.is_some() {
            self.query("delete from webhooks.outage")
                .execute(self.connection)
                .await?;
            let outages = uptime.outages();
            let (from, until): (Vec<i64>, Vec<i64>) = outages
                .iter()
                .map(|outage| (outage.from, outage.until))
                .unzip();
            self.query(
                "insert into webhooks.outage (began_at, ended_at)
                 select * from unnest($1::int8[], $2::int8[]) on conflict do nothing",
            )
            .bind(&from)
            .bind(&until)
            .execute(self.connection)
            .await?;
        }
        Ok(uptime)
    }

    /// The latest time that a node's timeline has reached: none starts before it.
    pub(super) async fn reached(&mut self) -> Result<i64, StoreError> {
        self.query("select coalesce(max(reached_at), 0) from webhooks.node")
            .read_value(self.connection)
            .await
    }
}

/// What the death of a node freed.
#[derive(Debug)]
pub(super) struct Reaped {
    pub(super) node: i64,
    pub(super) deliveries: u64,
}
