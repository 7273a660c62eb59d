//! Endpoints in the database, and the part of them that the writer has in memory.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sqlx::{FromRow, Row, postgres::PgRow};

use super::{row::Reader, tx::Tx};
use crate::{
    model::{
        endpoint::{EndpointOf, EndpointRecord},
        outcome::Backoff,
    },
    outbox::Outbox,
    store::{
        endpoint_cache::Known,
        endpoint_error::EndpointError,
        endpoint_row::{EndpointReader, EndpointRow, SealedSecret, StoredEndpoint},
        error::StoreError,
    },
};

impl Tx<'_> {
    pub(super) fn reader(&mut self) -> Reader<'_> {
        Reader {
            connection: self.connection,
            schema: self.schema,
            names_statements: self.names_statements,
        }
    }

    /// Loads the endpoints of these customers into memory. One that cannot be read is left out: its customer is
    /// then not recorded as known, and [`Tx::of_customer`] returns the reason.
    pub(super) async fn know_customers(
        &mut self,
        customers: impl Iterator<Item = &str>,
    ) -> Result<(), StoreError> {
        let unknown: BTreeSet<&str> = customers
            .filter(|customer| self.endpoints.cache.of_customer(customer).is_none())
            .collect();
        let customers: Vec<&str> = unknown.into_iter().collect();
        if customers.is_empty() {
            return Ok(());
        }
        let rows = endpoints_where(&mut self.reader(), Selection::Customers(&customers)).await?;
        let mut of: HashMap<&str, Vec<EndpointRow>> = HashMap::new();
        let mut keys = Vec::new();
        for row in rows {
            keys.push(row.key);
            if let Some(customer) = customers.iter().find(|customer| **customer == row.customer) {
                of.entry(customer).or_default().push(row);
            }
        }
        let mut secrets = secrets_of(&mut self.reader(), &keys).await?;
        let lanes = self.backoffs(&keys).await?;
        for customer in customers {
            let mut outboxes = Vec::new();
            let mut is_whole = true;
            for row in of.remove(customer).unwrap_or_default() {
                let key = row.key;
                let secrets = secrets.remove(&key).unwrap_or_default();
                match self.held_or_added(row, secrets, lanes.get(&key).copied()) {
                    Ok(outbox) => outboxes.extend(outbox),
                    Err(_) => is_whole = false,
                }
            }
            if is_whole {
                self.endpoints.cache.set_customer(customer, outboxes);
            }
        }
        Ok(())
    }

    fn held_or_added(
        &mut self,
        row: EndpointRow,
        secrets: Vec<SealedSecret>,
        lane: Option<Backoff>,
    ) -> Result<Option<Arc<Outbox>>, StoreError> {
        match self.endpoints.cache.by_key(row.key) {
            Known::Removed => Ok(None),
            Known::Held(outbox) => Ok(Some(outbox)),
            Known::Not => {
                let record = self.endpoints.reader.record(row, secrets)?;
                self.endpoints.cache.make_room();
                Ok(Some(self.endpoints.cache.add(record, lane)))
            }
        }
    }

    /// Every endpoint of a customer that was not removed.
    pub(super) async fn of_customer(
        &mut self,
        customer: &str,
    ) -> Result<Arc<[Arc<Outbox>]>, StoreError> {
        if let Some(found) = self.endpoints.cache.of_customer(customer) {
            return Ok(found);
        }
        let rows = endpoints_where(&mut self.reader(), Selection::Customers(&[customer])).await?;
        let mut outboxes = Vec::with_capacity(rows.len());
        for row in rows {
            outboxes.extend(self.by_key(row.key).await?);
        }
        Ok(self.endpoints.cache.set_customer(customer, outboxes))
    }

    /// The outbox of an endpoint; `None` if the endpoint was removed.
    pub(super) async fn by_key(&mut self, key: i64) -> Result<Option<Arc<Outbox>>, StoreError> {
        match self.endpoints.cache.by_key(key) {
            Known::Removed => return Ok(None),
            Known::Held(outbox) => return Ok(Some(outbox)),
            Known::Not => {}
        }
        let mut rows = endpoints_where(&mut self.reader(), Selection::Keys(&[key])).await?;
        let Some(row) = rows.pop().filter(|row| row.state != "removed") else {
            return Ok(None);
        };
        let secrets = secrets_of(&mut self.reader(), &[key]).await?.remove(&key);
        let lane = self.backoffs(&[key]).await?.remove(&key);
        self.held_or_added(row, secrets.unwrap_or_default(), lane)
    }

    async fn backoffs(&mut self, keys: &[i64]) -> Result<HashMap<i64, Backoff>, StoreError> {
        let rows: Vec<(i64, i64, i32)> = self
            .query(
                "select endpoint_key, backoff_until, failures from webhooks.lane where endpoint_key = any($1)",
            )
            .bind(keys)
            .read_rows(self.connection)
            .await?;
        let backoffs = rows.into_iter().map(|(key, until, failures)| {
            let failures = failures.unsigned_abs();
            (key, Backoff { until, failures })
        });
        Ok(backoffs.collect())
    }

    /// Reads an endpoint again after it changed.
    pub(super) async fn reload(&mut self, key: i64) -> Result<(), StoreError> {
        let reader = self.endpoints.reader.clone();
        let record = read(&reader, &mut self.reader(), Selection::Keys(&[key])).await?;
        self.endpoints.cache.replace(key, record.into_iter().next());
        Ok(())
    }

    /// The key of a customer's endpoint.
    pub(super) async fn find(&mut self, of: &EndpointOf) -> Result<i64, EndpointError> {
        find(&mut self.reader(), of).await
    }

    /// The keys of those endpoints in memory that are removed.
    pub(super) async fn removed_keys(&mut self) -> Vec<i64> {
        let keys = self.endpoints.cache.removed();
        if keys.is_empty() {
            return keys;
        }
        let found = self
            .query("select key from webhooks.endpoint where key = any($1) and state = 'removed'")
            .bind(&keys)
            .read_values(self.connection)
            .await;
        found.unwrap_or_default()
    }
}

/// Which endpoints to read.
#[derive(Clone, Copy)]
pub(super) enum Selection<'a> {
    Keys(&'a [i64]),
    /// Those of customers, except removed ones.
    Customers(&'a [&'a str]),
    /// By its id and customer, removed or not.
    Of(&'a EndpointOf),
}

const BY_KEY: &str = "
    select key, id, customer, url, event_types, ordered, settings, state, state_reason, failing_since, created_at
    from webhooks.endpoint where key = any($1) order by key";
const BY_CUSTOMER: &str = "
    select key, id, customer, url, event_types, ordered, settings, state, state_reason, failing_since, created_at
    from webhooks.endpoint where customer = any($1) and state <> 'removed' order by key";
const BY_ID: &str = "
    select key, id, customer, url, event_types, ordered, settings, state, state_reason, failing_since, created_at
    from webhooks.endpoint where id = $1 and customer = $2";

impl FromRow<'_, PgRow> for EndpointRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            key: row.try_get(0)?,
            id: row.try_get(1)?,
            customer: row.try_get(2)?,
            url: row.try_get(3)?,
            event_types: row.try_get(4)?,
            ordered: row.try_get(5)?,
            settings: row.try_get(6)?,
            state: row.try_get(7)?,
            state_reason: row.try_get(8)?,
            failing_since: row.try_get(9)?,
            created_at: row.try_get(10)?,
        })
    }
}

pub(super) async fn endpoints_where(
    reader: &mut Reader<'_>,
    selection: Selection<'_>,
) -> Result<Vec<EndpointRow>, StoreError> {
    let query = match selection {
        Selection::Keys(keys) => reader.query(BY_KEY).bind(keys),
        Selection::Customers(customers) => reader.query(BY_CUSTOMER).bind(customers),
        Selection::Of(of) => reader
            .query(BY_ID)
            .bind(of.id.as_str())
            .bind(of.customer.as_str()),
    };
    query.read_rows(reader.connection).await
}

pub(super) async fn secrets_of(
    reader: &mut Reader<'_>,
    keys: &[i64],
) -> Result<HashMap<i64, Vec<SealedSecret>>, StoreError> {
    let rows = reader
        .query(
            "select endpoint_key, secret, expires_at from webhooks.endpoint_secret
             where endpoint_key = any($1) order by endpoint_key, number desc",
        )
        .bind(keys)
        .read_rows(reader.connection)
        .await?;
    let mut secrets: HashMap<i64, Vec<SealedSecret>> = HashMap::new();
    for (key, sealed, expires_at) in rows {
        let of_key = secrets.entry(key).or_default();
        of_key.push(SealedSecret { sealed, expires_at });
    }
    Ok(secrets)
}

/// Endpoints in the order they were added.
pub(super) async fn read(
    endpoints: &EndpointReader,
    reader: &mut Reader<'_>,
    selection: Selection<'_>,
) -> Result<Vec<EndpointRecord>, StoreError> {
    let rows = endpoints_where(reader, selection).await?;
    let keys: Vec<i64> = rows.iter().map(|row| row.key).collect();
    let mut secrets = secrets_of(reader, &keys).await?;
    rows.into_iter()
        .map(|row| {
            let secrets = secrets.remove(&row.key).unwrap_or_default();
            endpoints.record(row, secrets)
        })
        .collect()
}

/// The settings of an endpoint.
pub(super) async fn stored(
    endpoints: &EndpointReader,
    reader: &mut Reader<'_>,
    key: i64,
) -> Result<StoredEndpoint, StoreError> {
    let rows = endpoints_where(reader, Selection::Keys(&[key])).await?;
    let row = rows.into_iter().next().ok_or(StoreError::Gone)?;
    endpoints.stored(&row)
}

/// The keys of endpoints by their ids, each with whether it is ordered.
pub(super) async fn keys_of(
    reader: &mut Reader<'_>,
    ids: &[&str],
) -> Result<HashMap<String, (i64, bool)>, StoreError> {
    let rows: Vec<(String, i64, bool)> = reader
        .query("select id, key, ordered from webhooks.endpoint where id = any($1)")
        .bind(ids)
        .read_rows(reader.connection)
        .await?;
    let keys = rows.into_iter();
    Ok(keys
        .map(|(id, key, ordered)| (id, (key, ordered)))
        .collect())
}

/// The key of a customer's endpoint.
pub(super) async fn find(reader: &mut Reader<'_>, of: &EndpointOf) -> Result<i64, EndpointError> {
    let found = reader
        .query(
            "select key from webhooks.endpoint where id = $1 and customer = $2 and state <> 'removed'",
        )
        .bind(of.id.as_str())
        .bind(&of.customer)
        .find_value(reader.connection)
        .await?;
    found.ok_or_else(|| of.unknown())
}
