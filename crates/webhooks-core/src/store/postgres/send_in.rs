//! Events in an app's own transaction: stored on its connection, unclaimed, so that whichever node looks
//! first delivers them once the transaction is committed.
//!
//! Nothing that belongs to this engine is locked, because an app's transaction can last for minutes. Nothing
//! is in memory either, so it does not matter whether the transaction is committed, or which node finds it:
//! deliveries in a kept lane are found by a note (see `arrivals.rs`), the others by their due time.

use sqlx::PgConnection;

use super::{
    chosen_ids::is_same,
    handle::Handle,
    new_deliveries::delivery_columns,
    new_events::event_columns,
    partition::day_of,
    read::{FoundEvent, find_event},
    row::Reader,
    slot::slot,
};
use crate::{
    endpoint::wants,
    event::PreparedEvent,
    send::{SendError, SendReceipt},
    store::error::StoreError,
};

impl Handle {
    /// Stores an event on the connection of an app.
    pub(crate) async fn send_in(
        &self,
        connection: &mut PgConnection,
        customer: &str,
        event: PreparedEvent,
    ) -> Result<SendReceipt, SendError> {
        let mut reader = self.on(connection);
        let endpoints = reader.wanting(customer, &event.event_type).await?;
        if event.is_id_chosen
            && let Some(known) = reader.known(customer, &event).await?
        {
            return Ok(known);
        }
        let now = self.timeline().now();
        let seq = reader.next_seq().await?;
        if event.is_id_chosen
            && !reader
                .note_id(customer, &event.id, (seq, day_of(now)))
                .await?
        {
            // Another transaction stored it meanwhile, and has been committed.
            let known = reader.known(customer, &event).await?;
            return known.ok_or(SendError::Store(StoreError::Gone));
        }
        reader
            .insert(customer, &event, (seq, now), &endpoints)
            .await?;
        Ok(SendReceipt {
            event_id: event.id,
            deliveries: endpoints.keys.len(),
            duplicate: false,
        })
    }
}

/// The endpoints that want an event, as columns.
#[derive(Default)]
struct Wanting {
    keys: Vec<i64>,
    ordered: Vec<bool>,
    /// Whether their deliveries wait in a lane that exists for as long as the endpoint does.
    kept: Vec<bool>,
}

impl Reader<'_> {
    /// The endpoints of a customer that want events of a type. They are read each time: another node
    /// may have changed them.
    async fn wanting(&mut self, customer: &str, event_type: &str) -> Result<Wanting, StoreError> {
        let rows: Vec<(i64, String, bool, bool)> = self
            .query(
                "select e.key, e.event_types, e.ordered, e.ordered or coalesce(l.owned, false)
                 from webhooks.endpoint e left join webhooks.lane l on l.endpoint_key = e.key
                 where e.customer = $1 and e.state <> 'removed' order by e.key",
            )
            .bind(customer)
            .read_rows(self.connection)
            .await?;
        let mut wanting = Wanting::default();
        for (key, types, ordered, kept) in rows {
            let types: Vec<String> = serde_json::from_str(&types).map_err(|_| {
                StoreError::Damaged(format!(
                    "the event types of the endpoint with the key {key}"
                ))
            })?;
            if wants(&types, event_type) {
                wanting.keys.push(key);
                wanting.ordered.push(ordered);
                wanting.kept.push(kept);
            }
        }
        Ok(wanting)
    }

    /// The same id again: the same content is the same event, different content is an error.
    pub(super) async fn known(
        &mut self,
        customer: &str,
        event: &PreparedEvent,
    ) -> Result<Option<SendReceipt>, SendError> {
        let Some(FoundEvent { row, body, .. }) = find_event(self, customer, &event.id).await?
        else {
            return Ok(None);
        };
        if !is_same(&row.event_type, &body, event) {
            return Err(SendError::Conflict(event.id.clone()));
        }
        let deliveries: i64 = self
            .query(
                "select count(*) from (
                     select endpoint_key from webhooks.delivery where event_seq = $1
                     union select endpoint_key from webhooks.attempt where event_seq = $1 and day >= $2
                     union select endpoint_key from webhooks.ending where event_seq = $1 and day >= $2) t",
            )
            .bind(row.seq)
            .bind(row.day)
            .read_value(self.connection)
            .await?;
        Ok(Some(SendReceipt {
            event_id: event.id.clone(),
            deliveries: usize::try_from(deliveries).unwrap_or_default(),
            duplicate: true,
        }))
    }

    /// Records an id that the caller chose, with its event. False if it is already recorded.
    pub(super) async fn note_id(
        &mut self,
        customer: &str,
        id: &str,
        (seq, day): (i64, i32),
    ) -> Result<bool, StoreError> {
        let noted = self
            .query(
                "insert into webhooks.event_key (customer, id, seq, day) values ($1, $2, $3, $4)
                 on conflict (customer, id) do nothing",
            )
            .bind(customer)
            .bind(id)
            .bind(seq)
            .bind(day)
            .execute(self.connection)
            .await?;
        Ok(noted > 0)
    }

    /// A number for one event. The transaction's own id comes first: see `head.rs`.
    async fn next_seq(&mut self) -> Result<i64, StoreError> {
        self.query(
            "select case when pg_current_xact_id() is not null then nextval('webhooks.event_batch') << 12 end",
        )
        .read_value(self.connection)
        .await
    }

    async fn insert(
        &mut self,
        customer: &str,
        event: &PreparedEvent,
        (seq, now): (i64, i64),
        endpoints: &Wanting,
    ) -> Result<(), StoreError> {
        self.query(concat!(
            "with stored as (
                 insert into webhooks.event ",
            event_columns!(),
            " values ($1, $2, $3, $4, $5, $6, $7, $8)),
             added as (
                 select * from unnest($10::int8[], $11::bool[], $12::bool[]) as t(key, ordered, kept)),
             arrived as (
                 insert into webhooks.arrival (event_seq, endpoint_key, at)
                 select $1, key, $7 from added where kept)
             insert into webhooks.delivery ",
            delivery_columns!(),
            " select $1, key, null, case when ordered then 0 else $7 end, $7, 0, $2, 0, $9, kept from added",
        ))
        .bind(seq)
        .bind(day_of(now))
        .bind(&event.id)
        .bind(customer)
        .bind(&event.event_type)
        .bind(&event.body[..])
        .bind(now)
        .bind(&event.traceparent)
        .bind(slot(customer))
        .bind(&endpoints.keys)
        .bind(&endpoints.ordered)
        .bind(&endpoints.kept)
        .execute(self.connection)
        .await?;
        Ok(())
    }
}
