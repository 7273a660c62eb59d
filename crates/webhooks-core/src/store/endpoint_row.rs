//! Endpoints as a store keeps them, and the decryption of their sealed values.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::header;
use zeroize::Zeroizing;

use super::error::StoreError;
use crate::{
    address::credentials::{hide_credentials, split_credentials},
    endpoint::{
        EndpointId, EndpointState, IN_FLIGHT_DEFAULT,
        settings::{StoredSettings, UnreadableSetting},
    },
    model::endpoint::{EndpointRecord, SigningSecret},
    retry::RetrySchedule,
    seal::Seal,
    secret::Secret,
};

/// What reading an endpoint needs besides the database.
#[derive(Clone)]
pub(crate) struct EndpointReader {
    /// How many engines deliver from the same store, if it can have more than one.
    pub(crate) engines: Option<Arc<AtomicUsize>>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) schedule: Arc<RetrySchedule>,
}

/// The settings of an endpoint, decrypted.
pub(crate) struct StoredEndpoint {
    /// With its credentials.
    pub(crate) url: url::Url,
    #[cfg(feature = "postgres")]
    pub(crate) ordered: bool,
    pub(crate) event_types: Vec<String>,
    pub(crate) settings: StoredSettings,
}

/// A row of `endpoint`, with its sealed values not yet decrypted.
pub(super) struct EndpointRow {
    pub(super) key: i64,
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) url: Vec<u8>,
    pub(super) event_types: String,
    pub(super) ordered: bool,
    pub(super) settings: Vec<u8>,
    pub(super) state: String,
    pub(super) state_reason: String,
    pub(super) failing_since: Option<i64>,
    pub(super) created_at: i64,
}

/// Whether an endpoint that was read at the start tells that the key is right. A problem of this endpoint alone, which
/// another key would not fix, is only logged.
pub(super) fn check_key<T>(read: Result<T, StoreError>) -> Result<(), StoreError> {
    match read {
        Err(error @ StoreError::Damaged(_)) => {
            tracing::error!(%error, "an endpoint cannot be read");
            Ok(())
        }
        read => read.map(drop),
    }
}

/// A secret as it is stored, and until when it signs.
pub(super) struct SealedSecret {
    pub(super) sealed: Vec<u8>,
    pub(super) expires_at: Option<i64>,
}

impl EndpointRow {
    fn state(&self) -> Result<EndpointState, StoreError> {
        match self.state.as_str() {
            "active" => Ok(EndpointState::Active),
            "paused" => Ok(EndpointState::Paused),
            // A removed endpoint gets nothing, like a disabled one.
            "disabled" | "removed" => Ok(EndpointState::Disabled {
                reason: self.state_reason.clone(),
            }),
            _ => Err(damaged("its state")),
        }
    }
}

impl EndpointReader {
    /// This engine's share of the default limit on requests in flight: all engines together have the
    /// default, but each has at least one.
    pub(super) fn in_flight_share(&self) -> u32 {
        let engines = self
            .engines
            .as_ref()
            .map_or(1, |engines| engines.load(Ordering::Relaxed));
        let engines = u32::try_from(engines).unwrap_or(u32::MAX).max(1);
        (IN_FLIGHT_DEFAULT / engines).max(1)
    }

    /// The endpoint of a row, with its stored secrets, the newest first. If it is damaged, the error names
    /// it, so that it can be repaired.
    pub(super) fn record(
        &self,
        row: EndpointRow,
        secrets: Vec<SealedSecret>,
    ) -> Result<EndpointRecord, StoreError> {
        let id = row.id.clone();
        self.unsealed(row, secrets)
            .map_err(|error| error.of_endpoint(&id))
    }

    fn unsealed(
        &self,
        row: EndpointRow,
        secrets: Vec<SealedSecret>,
    ) -> Result<EndpointRecord, StoreError> {
        let secrets = self.secrets(secrets, &place(&row.id))?;
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
            settings.in_flight.unwrap_or(self.in_flight_share())
        };
        let keeps_lane = keeps_lane(row.ordered, settings);
        Ok(EndpointRecord {
            shares: self.engines.is_some() && !keeps_lane,
            keeps_lane: self.engines.is_some() && keeps_lane,
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

    /// The settings of an endpoint.
    pub(super) fn stored(&self, row: &EndpointRow) -> Result<StoredEndpoint, StoreError> {
        self.open(row).map_err(|error| error.of_endpoint(&row.id))
    }

    fn open(&self, row: &EndpointRow) -> Result<StoredEndpoint, StoreError> {
        let place = place(&row.id);
        let url = String::from_utf8(self.seal.open(&row.url, &place)?).ok();
        let url = url.and_then(|url| url::Url::parse(&url).ok());
        Ok(StoredEndpoint {
            url: url.ok_or(damaged("its URL"))?,
            #[cfg(feature = "postgres")]
            ordered: row.ordered,
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
        secrets: Vec<SealedSecret>,
        place: &str,
    ) -> Result<Vec<SigningSecret>, StoreError> {
        secrets
            .into_iter()
            .map(|SealedSecret { sealed, expires_at }| {
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

/// Whether an endpoint's order or limits are to hold over several engines.
pub(super) fn keeps_lane(ordered: bool, settings: &StoredSettings) -> bool {
    ordered || settings.in_flight.is_some() || settings.per_second.is_some()
}
