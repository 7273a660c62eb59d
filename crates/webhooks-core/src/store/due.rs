//! What a scan for what is due loads at most, and whose it is.

use std::sync::Arc;

use super::error::StoreError;
use crate::outbox::Outbox;

/// Retries that one scan loads: bounds how long it keeps the writer from sends.
pub(super) const SCAN_ROWS: i64 = 256;
/// Lanes of healthy endpoints that one scan may load, for the same reason.
pub(super) const LANES_A_SCAN: usize = 32;
/// Endpoints in trouble that one scan may try. With 32 of them the p99 of a healthy endpoint
/// alongside a thousand dead ones doubled. At the due loop's pace this is 200 a second: enough to
/// try 12,000 dead endpoints once a minute.
pub(super) const PROBES_A_SCAN: usize = 1;
/// Deliveries of one lane that one transaction can expire.
pub(super) const EXPIRE_ROWS: i64 = 1_000;

/// The endpoint that something due belongs to.
pub(super) enum Found {
    Outbox(Arc<Outbox>),
    Removed,
    /// Its stored data is damaged. Its deliveries are set aside until the next start, so that those of
    /// others are still found.
    Unreadable,
}

impl Found {
    /// What reading the endpoint with this key gave.
    pub(super) fn of(
        key: i64,
        read: Result<Option<Arc<Outbox>>, StoreError>,
    ) -> Result<Self, StoreError> {
        match read {
            Ok(Some(outbox)) => Ok(Self::Outbox(outbox)),
            Ok(None) => Ok(Self::Removed),
            Err(error) if error.is_about_an_endpoint() => {
                tracing::error!(
                    endpoint.key = key,
                    %error,
                    "an endpoint cannot be read; its pending deliveries are kept, and tried again when the store is next opened"
                );
                Ok(Self::Unreadable)
            }
            Err(error) => Err(error),
        }
    }
}

/// Logs that deliveries of a lane expired. True if there may be more of them.
pub(super) fn tell_expired(outbox: &Outbox, expired: usize) -> bool {
    if expired > 0 {
        let endpoint = outbox.endpoint();
        tracing::info!(
            customer = &*endpoint.customer,
            endpoint.id = %endpoint.id,
            url = endpoint.shown_url,
            expired,
            "deliveries waited longer than their retry schedule lasts and were given up"
        );
    }
    i64::try_from(expired).is_ok_and(|expired| expired == EXPIRE_ROWS)
}
