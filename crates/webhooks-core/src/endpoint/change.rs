//! What to change in an endpoint.

use std::{fmt, num::NonZeroU32};

use super::settings::{self, EndpointSettingsError, StoredSettings};
use crate::{retry::RetrySchedule, signature::legacy::LegacySignature};

/// What [`Endpoints::edit`](crate::Endpoints::edit) changes; everything that is not named stays as it is.
///
/// `None` resets a setting to its default.
///
/// ```
/// # use webhooks_core::EndpointChange;
/// let change = EndpointChange::new()
///     .url("https://acme.example/new-hooks")
///     .in_flight(None)
///     .header("x-api-key", "k_2");
/// ```
#[derive(Clone, Default)]
pub struct EndpointChange {
    pub(crate) url: Option<String>,
    pub(crate) event_types: Option<Vec<String>>,
    in_flight: Option<Option<u32>>,
    per_second: Option<Option<NonZeroU32>>,
    retry_waits_s: Option<Option<Vec<f64>>>,
    also_sign: Option<Option<(String, String)>>,
    headers: Vec<HeaderChange>,
}

#[derive(Clone)]
enum HeaderChange {
    Set(String, String),
    Remove(String),
}

impl fmt::Debug for EndpointChange {
    /// Without URLs, header values and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointChange")
            .field("event_types", &self.event_types)
            .field("in_flight", &self.in_flight)
            .field("per_second", &self.per_second)
            .finish_non_exhaustive()
    }
}

impl EndpointChange {
    /// Changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the endpoint to another URL. Passing the URL as listings show it, with its credentials hidden,
    /// changes nothing.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The event types it wants from now on, replacing the previous ones; the format is that of
    /// [`NewEndpoint::event_types`](super::NewEndpoint::event_types).
    #[must_use]
    pub fn event_types<T: Into<String>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.event_types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Whether it gives the endpoint a limit that applies across all engines.
    #[cfg(feature = "postgres")]
    pub(crate) fn sets_limit(&self) -> bool {
        matches!(self.in_flight, Some(Some(_))) || matches!(self.per_second, Some(Some(_)))
    }

    /// The maximum number of requests in flight, 1 to [`IN_FLIGHT_MAX`](super::IN_FLIGHT_MAX).
    #[must_use]
    pub fn in_flight(mut self, requests: impl Into<Option<u32>>) -> Self {
        self.in_flight = Some(requests.into());
        self
    }

    /// The maximum number of requests per second; `None` for no limit.
    #[must_use]
    pub fn per_second(mut self, requests: impl Into<Option<NonZeroU32>>) -> Self {
        self.per_second = Some(requests.into());
        self
    }

    /// Its own retry schedule; `None` for that of the engine.
    #[must_use]
    pub fn retry<'a>(mut self, schedule: impl Into<Option<&'a RetrySchedule>>) -> Self {
        self.retry_waits_s = Some(schedule.into().map(RetrySchedule::to_seconds));
        self
    }

    /// The second signature that is sent with every request; `None` for none.
    #[must_use]
    pub fn also_sign<'a>(mut self, legacy: impl Into<Option<&'a LegacySignature>>) -> Self {
        let legacy = legacy.into();
        self.also_sign = Some(legacy.map(|legacy| (legacy.format(), legacy.expose_secret())));
        self
    }

    /// A header of its own, replacing any of the same name.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers
            .push(HeaderChange::Set(name.into(), value.into()));
        self
    }

    /// Stops sending the header of this name.
    #[must_use]
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.headers.push(HeaderChange::Remove(name.into()));
        self
    }

    /// The settings with the change applied.
    pub(crate) fn apply(
        &self,
        mut settings: StoredSettings,
    ) -> Result<StoredSettings, EndpointSettingsError> {
        if let Some(types) = &self.event_types {
            settings::check_event_types(types)?;
        }
        if let Some(in_flight) = self.in_flight {
            settings.in_flight = in_flight;
        }
        if let Some(per_second) = self.per_second {
            settings.per_second = per_second;
        }
        if let Some(waits) = &self.retry_waits_s {
            settings.retry_waits_s.clone_from(waits);
        }
        if let Some(also_sign) = &self.also_sign {
            settings.also_sign.clone_from(also_sign);
        }
        for change in &self.headers {
            let (HeaderChange::Set(name, _) | HeaderChange::Remove(name)) = change;
            settings
                .headers
                .retain(|(present, _)| !present.eq_ignore_ascii_case(name));
            if let HeaderChange::Set(name, value) = change {
                settings.headers.push((name.clone(), value.clone()));
            }
        }
        settings.check()?;
        Ok(settings)
    }
}
