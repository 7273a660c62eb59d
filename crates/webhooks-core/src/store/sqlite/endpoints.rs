//! Endpoints in the file, and the part of them that the writer has in memory.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::statement::Statements;
use crate::{
    model::{
        endpoint::{EndpointOf, EndpointRecord},
        outcome::Backoff,
    },
    outbox::Outbox,
    store::{
        endpoint_cache::{EndpointCache, Known},
        endpoint_error::EndpointError,
        endpoint_row::{EndpointReader, EndpointRow, SealedSecret, StoredEndpoint},
        error::StoreError,
    },
};

/// The endpoints in use, and how others are read.
pub(crate) struct Endpoints {
    pub(crate) reader: EndpointReader,
    pub(crate) cache: EndpointCache,
}

impl Endpoints {
    /// After a rollback of everything or of one act: what had changed is read as it was before.
    pub(crate) fn rolled_back(&mut self, connection: &Connection) {
        for key in self.cache.rolled_back() {
            if let Err(error) = self.reload(connection, key) {
                tracing::error!(%error, "an endpoint could not be read again after a rollback");
                self.cache.read_later(key);
            }
        }
        self.cache.retain_removed(|key| is_removed(connection, key));
    }

    /// Reads those endpoints that could not be read after a rollback.
    pub(crate) fn read_again(&mut self, connection: &Connection) -> Result<(), StoreError> {
        for key in self.cache.to_read() {
            match self.reload(connection, key) {
                Err(error) if error.is_about_an_endpoint() => {
                    tracing::error!(%error, "a changed endpoint cannot be read");
                    self.cache.stays(key);
                }
                read => read?,
            }
        }
        Ok(())
    }

    /// Every endpoint of a customer that was not removed.
    pub(crate) fn of_customer(
        &mut self,
        connection: &Connection,
        customer: &str,
    ) -> Result<Arc<[Arc<Outbox>]>, StoreError> {
        if let Some(found) = self.cache.of_customer(customer) {
            return Ok(found);
        }
        self.cache.make_room();
        let keys: Vec<i64> = connection.read_rows(
            "select key from webhooks_endpoint where customer = ?1 and state <> 'removed' order by key",
            [customer],
            |row| row.get(0),
        )?;
        let mut outboxes = Vec::with_capacity(keys.len());
        for key in keys {
            outboxes.extend(self.by_key(connection, key)?);
        }
        Ok(self.cache.set_customer(customer, outboxes))
    }

    /// The outbox of an endpoint; `None` if the endpoint was removed.
    pub(crate) fn by_key(
        &mut self,
        connection: &Connection,
        key: i64,
    ) -> Result<Option<Arc<Outbox>>, StoreError> {
        match self.cache.by_key(key) {
            Known::Removed => return Ok(None),
            Known::Held(outbox) => return Ok(Some(outbox)),
            Known::Not => {}
        }
        self.cache.make_room();
        let found = read(
            &self.reader,
            connection,
            "key = ?1 and state <> 'removed'",
            params![key],
        )?
        .pop();
        let Some(record) = found else {
            return Ok(None);
        };
        let lane = connection.find_row(
            "select backoff_until, failures from webhooks_lane where endpoint_key = ?1",
            [key],
            |row| {
                Ok(Backoff {
                    until: row.get(0)?,
                    failures: row.get(1)?,
                })
            },
        )?;
        Ok(Some(self.cache.add(record, lane)))
    }

    /// Reads an endpoint again after it changed.
    pub(crate) fn reload(&mut self, connection: &Connection, key: i64) -> Result<(), StoreError> {
        let record = read(&self.reader, connection, "key = ?1", params![key])?.pop();
        self.cache.replace(key, record);
        Ok(())
    }
}

/// The key of a customer's endpoint.
pub(crate) fn find(connection: &Connection, of: &EndpointOf) -> Result<i64, EndpointError> {
    connection.find_row(
        "select key from webhooks_endpoint where id = ?1 and customer = ?2 and state <> 'removed'",
        [of.id.as_str(), of.customer.as_str()],
        |row| row.get(0),
    )?
        .ok_or_else(|| of.unknown())
}

fn is_removed(connection: &Connection, key: i64) -> bool {
    let found = connection.has_row(
        "select 1 from webhooks_endpoint where key = ?1 and state = 'removed'",
        [key],
    );
    found.unwrap_or(false)
}

/// The columns of an [`EndpointRow`].
const COLUMNS: &str = "key, id, customer, url, event_types, ordered, settings, state, state_reason, \
                       failing_since, created_at";

fn read_row(row: &Row<'_>) -> rusqlite::Result<EndpointRow> {
    Ok(EndpointRow {
        key: row.get(0)?,
        id: row.get(1)?,
        customer: row.get(2)?,
        url: row.get(3)?,
        event_types: row.get(4)?,
        ordered: row.get(5)?,
        settings: row.get(6)?,
        state: row.get(7)?,
        state_reason: row.get(8)?,
        failing_since: row.get(9)?,
        created_at: row.get(10)?,
    })
}

/// Endpoints that `condition` selects, in the order they were added.
pub(crate) fn read(
    reader: &EndpointReader,
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<EndpointRecord>, StoreError> {
    let rows: Vec<EndpointRow> = connection.read_rows(
        &format!("select {COLUMNS} from webhooks_endpoint where {condition} order by key"),
        values,
        read_row,
    )?;
    rows.into_iter()
        .map(|row| {
            let secrets = secrets(connection, row.key)?;
            reader.record(row, secrets)
        })
        .collect()
}

/// The settings of an endpoint.
pub(crate) fn stored(
    reader: &EndpointReader,
    connection: &Connection,
    key: i64,
) -> Result<StoredEndpoint, StoreError> {
    let row = connection
        .find_row(
            &format!("select {COLUMNS} from webhooks_endpoint where key = ?1"),
            [key],
            read_row,
        )?
        .ok_or(StoreError::Gone)?;
    reader.stored(&row)
}

fn secrets(connection: &Connection, key: i64) -> Result<Vec<SealedSecret>, StoreError> {
    connection.read_rows(
        "select secret, expires_at from webhooks_endpoint_secret where endpoint_key = ?1 order by number desc",
        [key],
        |row| {
            Ok(SealedSecret {
                sealed: row.get(0)?,
                expires_at: row.get(1)?,
            })
        },
    )
}
