//! Endpoints in the store, and the writer's cache of them.
//!
//! The cache is coherent because every change of an endpoint runs on the writer thread.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use http::header;
use rusqlite::{Connection, OptionalExtension, Row, params};
use zeroize::Zeroizing;

use crate::{
    address::credentials::{hide_credentials, split_credentials},
    endpoint::{
        EndpointId, EndpointState, IN_FLIGHT_DEFAULT,
        settings::{StoredSettings, UnreadableSetting},
    },
    model::{
        endpoint::{EndpointOf, EndpointRecord, SigningSecret},
        outcome::Backoff,
    },
    outbox::Outbox,
    retry::RetrySchedule,
    seal::Seal,
    secret::Secret,
    store::{endpoint_error::EndpointError, error::StoreError, host::Host},
};

/// Endpoints that memory keeps unless set otherwise, about 2 kB each. One that is not among them
/// is read from the store when it next gets an event, which takes about as long as to store that.
pub const ENDPOINTS_IN_MEMORY_DEFAULT: usize = 50_000;
/// Customers of which it is remembered that they have no endpoint: apps send events of all their
/// customers, and most have none. Beyond this they are forgotten together.
const WITHOUT_ENDPOINTS_MAX: usize = 10_000;

/// What reading an endpoint needs besides the database.
#[derive(Clone)]
pub(crate) struct EndpointReader {
    pub(crate) seal: Arc<Seal>,
    pub(crate) schedule: Arc<RetrySchedule>,
}

/// The outboxes of the endpoints in use.
pub(crate) struct EndpointCache {
    pub(crate) reader: EndpointReader,
    host: Arc<Host>,
    /// How many may be kept.
    max: usize,
    /// At how many those that are idle are dropped: `max`, or more while more are in use.
    full_at: usize,
    by_key: HashMap<i64, Arc<Outbox>>,
    by_customer: HashMap<String, Arc<[Arc<Outbox>]>>,
    /// Customers without endpoints.
    without: HashSet<String>,
    /// Read within the present transaction: memory is ahead of the store until its commit.
    uncommitted: HashSet<i64>,
    /// Removed within the present transaction.
    removed: HashSet<i64>,
}

impl EndpointCache {
    pub(crate) fn new(reader: EndpointReader, host: Arc<Host>, max: usize) -> Self {
        Self {
            reader,
            host,
            max,
            full_at: max,
            by_key: HashMap::new(),
            by_customer: HashMap::new(),
            without: HashSet::new(),
            uncommitted: HashSet::new(),
            removed: HashSet::new(),
        }
    }

    /// Forgets which endpoints customers have; outboxes in use stay the same ones.
    fn clear(&mut self) {
        self.by_customer.clear();
        self.without.clear();
        self.drop_idle();
    }

    /// What was read is what is stored.
    pub(crate) fn committed(&mut self) {
        self.uncommitted.clear();
        for key in self.removed.drain() {
            self.by_key.remove(&key);
        }
    }

    /// After a rollback, of all or of one act: what had changed is read as it was before.
    pub(crate) fn rolled_back(&mut self, connection: &Connection) {
        self.clear();
        let keys: Vec<i64> = self.uncommitted.iter().copied().collect();
        for key in keys {
            if let Err(error) = self.reload(connection, key) {
                // Without it in memory it is read when it is next used.
                tracing::error!(%error, "an endpoint could not be read again after a rollback");
                self.by_key.remove(&key);
            }
        }
        self.removed.retain(|key| is_removed(connection, *key));
    }

    fn drop_idle(&mut self) {
        let now = self.host.timeline.now();
        self.by_key
            .retain(|_, outbox| Arc::strong_count(outbox) > 1 || !outbox.is_idle(now));
    }

    fn make_room(&mut self) {
        if self.by_key.len() >= self.full_at {
            self.clear();
            // Should most be in use, the next look at all of them is as many endpoints away.
            self.full_at = self.max.max(2 * self.by_key.len());
        }
    }

    /// Every endpoint of a customer that was not removed.
    pub(crate) fn of_customer(
        &mut self,
        connection: &Connection,
        customer: &str,
    ) -> Result<Arc<[Arc<Outbox>]>, StoreError> {
        if let Some(found) = self.by_customer.get(customer) {
            return Ok(Arc::clone(found));
        }
        if self.without.contains(customer) {
            return Ok(Arc::new([]));
        }
        self.make_room();
        let keys: Vec<i64> = connection
            .prepare_cached(
                "select key from webhooks_endpoint where customer = ?1 and state <> 'removed' order by key",
            )?
            .query_map([customer], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut outboxes = Vec::with_capacity(keys.len());
        for key in keys {
            outboxes.extend(self.by_key(connection, key)?);
        }
        let outboxes: Arc<[Arc<Outbox>]> = outboxes.into();
        if outboxes.is_empty() {
            if self.without.len() >= WITHOUT_ENDPOINTS_MAX {
                self.without.clear();
            }
            self.without.insert(customer.to_owned());
        } else {
            self.by_customer
                .insert(customer.to_owned(), Arc::clone(&outboxes));
        }
        Ok(outboxes)
    }

    /// The outbox of an endpoint; `None` when the endpoint was removed.
    pub(crate) fn by_key(
        &mut self,
        connection: &Connection,
        key: i64,
    ) -> Result<Option<Arc<Outbox>>, StoreError> {
        if self.removed.contains(&key) {
            return Ok(None);
        }
        if let Some(outbox) = self.by_key.get(&key) {
            return Ok(Some(Arc::clone(outbox)));
        }
        self.make_room();
        let Some(record) = self
            .reader
            .read(connection, "key = ?1 and state <> 'removed'", params![key])?
            .pop()
        else {
            return Ok(None);
        };
        let lane = connection
            .prepare_cached(
                "select backoff_until, failures from webhooks_lane where endpoint_key = ?1",
            )?
            .query_row([key], |row| {
                Ok(Backoff {
                    until: row.get(0)?,
                    failures: row.get(1)?,
                })
            })
            .optional()?;
        let outbox = Arc::new(Outbox::new(record, lane, Arc::clone(&self.host.memory)));
        self.by_key.insert(key, Arc::clone(&outbox));
        self.uncommitted.insert(key);
        Ok(Some(outbox))
    }

    /// Reads an endpoint again after it changed.
    pub(crate) fn reload(&mut self, connection: &Connection, key: i64) -> Result<(), StoreError> {
        let record = self
            .reader
            .read(connection, "key = ?1", params![key])?
            .pop();
        match (self.by_key.get(&key), record) {
            (Some(outbox), Some(record)) => {
                self.by_customer.remove(&*record.customer);
                outbox.replace(record);
                self.uncommitted.insert(key);
            }
            // It was added by a transaction that failed: the next one to be added gets its key.
            (Some(_), None) => {
                self.by_key.remove(&key);
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// An endpoint was added or removed.
    pub(crate) fn forget_customer(&mut self, customer: &str) {
        self.by_customer.remove(customer);
        self.without.remove(customer);
    }

    /// Deliveries in memory that wait for the clock.
    #[cfg(feature = "testing")]
    pub(crate) fn waits_for_clock(&self) -> usize {
        let outboxes = self.by_key.values();
        let now = self.host.timeline.now();
        outboxes.map(|outbox| outbox.waits_for_clock(now)).sum()
    }

    /// Whether memory has the endpoint.
    pub(crate) fn holds(&self, key: i64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// An endpoint was removed. Should that not be committed, what is in flight to it goes on in
    /// the same outbox.
    pub(crate) fn forget_key(&mut self, key: i64) {
        self.removed.insert(key);
    }
}

/// The key of a customer's endpoint.
pub(crate) fn find(
    connection: &Connection,
    EndpointOf { customer, id }: &EndpointOf,
) -> Result<i64, EndpointError> {
    connection
        .prepare_cached(
            "select key from webhooks_endpoint where id = ?1 and customer = ?2 and state <> 'removed'",
        )?
        .query_row([id.as_str(), customer.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| EndpointError::Unknown {
            customer: customer.clone(),
            id: id.clone(),
        })
}

fn is_removed(connection: &Connection, key: i64) -> bool {
    let found = connection
        .prepare_cached("select 1 from webhooks_endpoint where key = ?1 and state = 'removed'")
        .and_then(|mut select| select.exists([key]));
    found.unwrap_or(false)
}

/// What people set of an endpoint, opened.
pub(crate) struct StoredEndpoint {
    /// With its credentials.
    pub(crate) url: url::Url,
    pub(crate) event_types: Vec<String>,
    pub(crate) settings: StoredSettings,
}

/// A row of `endpoint`, sealed values not yet opened.
struct EndpointRow {
    key: i64,
    id: String,
    customer: String,
    url: Vec<u8>,
    event_types: String,
    ordered: bool,
    settings: Vec<u8>,
    state: String,
    state_reason: String,
    failing_since: Option<i64>,
    created_at: i64,
}

impl EndpointRow {
    const COLUMNS: &str = "key, id, customer, url, event_types, ordered, settings, state, state_reason, \
                           failing_since, created_at";

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
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
}

impl EndpointRow {
    fn state(&self) -> Result<EndpointState, StoreError> {
        match self.state.as_str() {
            "active" => Ok(EndpointState::Active),
            "paused" => Ok(EndpointState::Paused),
            // Who removed it is not asked any more: it gets nothing.
            "disabled" | "removed" => Ok(EndpointState::Disabled {
                reason: self.state_reason.clone(),
            }),
            _ => Err(damaged("its state")),
        }
    }
}

impl EndpointReader {
    /// Endpoints that `condition` selects, in the order they were added.
    pub(crate) fn read(
        &self,
        connection: &Connection,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<EndpointRecord>, StoreError> {
        let columns = EndpointRow::COLUMNS;
        let rows: Vec<EndpointRow> = connection
            .prepare_cached(&format!(
                "select {columns} from webhooks_endpoint where {condition} order by key"
            ))?
            .query_map(values, EndpointRow::read)?
            .collect::<Result<_, _>>()?;
        rows.into_iter()
            .map(|row| self.record(connection, row))
            .collect()
    }

    /// The error of an endpoint that is damaged names it, so that it can be mended.
    fn record(
        &self,
        connection: &Connection,
        row: EndpointRow,
    ) -> Result<EndpointRecord, StoreError> {
        let id = row.id.clone();
        self.unsealed(connection, row)
            .map_err(|error| error.of_endpoint(&id))
    }

    fn unsealed(
        &self,
        connection: &Connection,
        row: EndpointRow,
    ) -> Result<EndpointRecord, StoreError> {
        let secrets = self.secrets(connection, row.key, &place(&row.id))?;
        let state = row.state()?;
        let stored = self.open(&row)?;
        let settings = &stored.settings;
        let (bare_url, credentials) = split_credentials(&stored.url);
        let mut headers = settings.header_map().map_err(damaged)?;
        if let Some(credentials) = credentials {
            headers.insert(header::AUTHORIZATION, credentials.authorization());
        }
        let own_schedule = settings.schedule().map_err(damaged)?;
        let in_flight = if row.ordered {
            1
        } else {
            settings.in_flight.unwrap_or(IN_FLIGHT_DEFAULT)
        };
        Ok(EndpointRecord {
            key: row.key,
            id: EndpointId::from_stored(row.id),
            customer: row.customer.into(),
            shown_url: hide_credentials(&stored.url),
            url: bare_url,
            ordered: row.ordered,
            state,
            in_flight: in_flight
                .try_into()
                .map_err(|_| damaged("its requests in flight"))?,
            interval: settings
                .per_second
                .map(|rate| std::time::Duration::from_secs(1) / rate.get()),
            schedule: own_schedule.map_or_else(|| Arc::clone(&self.schedule), Arc::new),
            headers,
            secrets,
            legacy: settings.legacy().map_err(damaged)?,
            event_types: stored.event_types,
            created_at: row.created_at,
            failing_since: row.failing_since,
        })
    }

    /// What people set of an endpoint.
    pub(crate) fn stored(
        &self,
        connection: &Connection,
        key: i64,
    ) -> Result<StoredEndpoint, StoreError> {
        let columns = EndpointRow::COLUMNS;
        let row = connection
            .prepare_cached(&format!(
                "select {columns} from webhooks_endpoint where key = ?1"
            ))?
            .query_row([key], EndpointRow::read)
            .optional()?
            .ok_or(StoreError::Gone)?;
        self.open(&row).map_err(|error| error.of_endpoint(&row.id))
    }

    fn open(&self, row: &EndpointRow) -> Result<StoredEndpoint, StoreError> {
        let place = place(&row.id);
        let url = String::from_utf8(self.seal.open(&row.url, &place)?).ok();
        let url = url.and_then(|url| url::Url::parse(&url).ok());
        Ok(StoredEndpoint {
            url: url.ok_or(damaged("its URL"))?,
            event_types: serde_json::from_str(&row.event_types)
                .map_err(|_| damaged("its event types"))?,
            settings: serde_json::from_slice(&self.seal.open(&row.settings, &place)?)
                .map_err(|_| damaged("its settings"))?,
        })
    }

    pub(crate) fn open_secret(&self, sealed: &[u8], place: &str) -> Result<Secret, StoreError> {
        let exposed = Zeroizing::new(self.seal.open(sealed, place)?);
        let exposed = std::str::from_utf8(&exposed).ok();
        let secret = exposed.and_then(|exposed| Secret::parse(exposed).ok());
        secret.ok_or(damaged("one of its secrets"))
    }

    fn secrets(
        &self,
        connection: &Connection,
        key: i64,
        place: &str,
    ) -> Result<Vec<SigningSecret>, StoreError> {
        let rows: Vec<(Vec<u8>, Option<i64>)> = connection
            .prepare_cached(
                "select secret, expires_at from webhooks_endpoint_secret where endpoint_key = ?1 order by number desc",
            )?
            .query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        rows.into_iter()
            .map(|(sealed, expires_at)| {
                Ok(SigningSecret {
                    secret: self.open_secret(&sealed, place)?,
                    expires_at,
                })
            })
            .collect()
    }
}

/// What binds a sealed value to its endpoint.
pub(crate) fn place(endpoint_id: &str) -> String {
    format!("endpoint {endpoint_id}")
}

fn damaged(what: UnreadableSetting) -> StoreError {
    StoreError::Damaged(what.to_owned())
}
