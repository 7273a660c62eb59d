//! Adding and changing endpoints: acts on the writer thread.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{StoreError, act::ActContext, endpoints, lane};
use crate::{
    AddedEndpoint, Endpoint, EndpointId, NewEndpoint, Secret, clock::millis,
    endpoint::EndpointSettingsError, event::EventError,
};

/// Most endpoints of one customer: each event costs a delivery for each.
pub const ENDPOINTS_PER_CUSTOMER_MAX: usize = 1_000;
/// Most secrets that sign at once: the newest, and those within their grace.
pub const SECRETS_MAX: usize = 8;

/// An endpoint could not be added, changed or read.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The customer id is not valid.
    #[error(transparent)]
    Customer(#[from] EventError),
    /// The URL is not one that may be sent to.
    #[error(transparent)]
    Address(#[from] crate::address::AddressRefusal),
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] EndpointSettingsError),
    /// The secret can verify but not sign.
    #[error(
        "the secret is a public key (whpk_): give the signing key (whsk_) or a shared secret (whsec_)"
    )]
    CannotSign,
    /// The customer has no such endpoint.
    #[error("customer {customer:?} has no endpoint {id}")]
    Unknown {
        /// The customer asked for.
        customer: String,
        /// The endpoint asked for.
        id: EndpointId,
    },
    /// The customer has [`ENDPOINTS_PER_CUSTOMER_MAX`] endpoints already.
    #[error(
        "customer {0:?} has {ENDPOINTS_PER_CUSTOMER_MAX} endpoints already, which is the limit"
    )]
    TooMany(String),
    /// [`SECRETS_MAX`] secrets sign already.
    #[error(
        "{SECRETS_MAX} secrets of this endpoint sign already, which is the limit; wait for one's grace to end"
    )]
    TooManySecrets,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

crate::error_text::debug_is_display!(EndpointError);

impl From<rusqlite::Error> for EndpointError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Stores a new endpoint, whose settings and URL were checked.
pub(crate) fn add(
    context: &mut ActContext<'_>,
    customer: &str,
    new: &NewEndpoint,
    url: &url::Url,
) -> Result<AddedEndpoint, EndpointError> {
    let connection = context.connection;
    let count: i64 = connection
        .prepare_cached(
            "select count(*) from webhooks_endpoint where customer = ?1 and state <> 'removed'",
        )?
        .query_row([customer], |row| row.get(0))?;
    if count.unsigned_abs() >= ENDPOINTS_PER_CUSTOMER_MAX as u64 {
        return Err(EndpointError::TooMany(customer.to_owned()));
    }
    let id = EndpointId::generate();
    let place = endpoints::place(id.as_str());
    let secret = new.secret.clone().unwrap_or_else(Secret::generate);
    let seal = context.endpoints.reader.seal.clone();
    let settings = serde_json::to_vec(&new.settings).unwrap_or_default();
    let now = context.shared.timeline.now();
    connection
        .prepare_cached(
            "insert into webhooks_endpoint
             (id, customer, url, event_types, ordered, settings, state, state_reason, failing_since, created_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, 'active', '', null, ?7)",
        )?
        .execute(params![
            id.as_str(),
            customer,
            seal.seal(url.as_str().as_bytes(), &place),
            serde_json::to_string(&new.event_types).unwrap_or_default(),
            new.ordered,
            seal.seal(&settings, &place),
            now,
        ])?;
    let key = connection.last_insert_rowid();
    connection
        .prepare_cached("insert into webhooks_endpoint_secret (endpoint_key, number, secret, expires_at) values (?1, 1, ?2, null)")?
        .execute(params![key, seal.seal(secret.expose().as_bytes(), &place)])?;
    context.endpoints.forget_customer(customer);
    let record = context
        .endpoints
        .reader
        .read(connection, "key = ?1", params![key])?
        .pop()
        .ok_or(StoreError::Gone)?;
    Ok(AddedEndpoint {
        id,
        secret,
        endpoint: record.to_public(&context.shared.timeline),
    })
}

/// The key of a customer's endpoint.
pub(crate) fn find(
    context: &ActContext<'_>,
    customer: &str,
    id: &EndpointId,
) -> Result<i64, EndpointError> {
    context
        .connection
        .prepare_cached(
            "select key from webhooks_endpoint where id = ?1 and customer = ?2 and state <> 'removed'",
        )?
        .query_row([id.as_str(), customer], |row| row.get(0))
        .optional()?
        .ok_or_else(|| EndpointError::Unknown {
            customer: customer.to_owned(),
            id: id.clone(),
        })
}

/// What a person can do to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Pause,
    Activate,
    Disable,
    Remove,
}

pub(crate) fn change(
    context: &mut ActContext<'_>,
    customer: &str,
    id: &EndpointId,
    change: Change,
) -> Result<(), EndpointError> {
    let key = find(context, customer, id)?;
    match change {
        Change::Pause => endpoints::set_state(context, key, "paused", "")?,
        Change::Activate => endpoints::set_state(context, key, "active", "")?,
        Change::Disable => endpoints::set_state(context, key, "disabled", "disabled by hand")?,
        Change::Remove => remove(context, customer, key, id)?,
    }
    context.shared.due_by(context.shared.timeline.now());
    Ok(())
}

/// Forgets an endpoint's secrets, settings and URL; the rest keeps its attempts readable.
fn remove(
    context: &mut ActContext<'_>,
    customer: &str,
    key: i64,
    id: &EndpointId,
) -> Result<(), EndpointError> {
    let place = endpoints::place(id.as_str());
    let seal = context.endpoints.reader.seal.clone();
    let connection = context.connection;
    // First what may be damaged: from then on the endpoint can be read.
    connection
        .prepare_cached("delete from webhooks_endpoint_secret where endpoint_key = ?1")?
        .execute([key])?;
    connection
        .prepare_cached("update webhooks_endpoint set settings = ?2, url = ?3 where key = ?1")?
        .execute(params![
            key,
            seal.seal(b"{}", &place),
            seal.seal(b"about:removed", &place),
        ])?;
    endpoints::set_state(context, key, "disabled", "removed")?;
    connection
        .prepare_cached("update webhooks_endpoint set state = 'removed' where key = ?1")?
        .execute([key])?;
    context.endpoints.forget_customer(customer);
    context.endpoints.forget_key(key);
    Ok(())
}

/// Replaces what an endpoint is and wants; its id, secrets and history stay.
pub(crate) fn update(
    context: &mut ActContext<'_>,
    customer: &str,
    id: &EndpointId,
    new: &NewEndpoint,
    url: &url::Url,
) -> Result<Endpoint, EndpointError> {
    let key = find(context, customer, id)?;
    let in_use = context.endpoints.holds(key);
    let place = endpoints::place(id.as_str());
    let seal = context.endpoints.reader.seal.clone();
    let settings = serde_json::to_vec(&new.settings).unwrap_or_default();
    context
        .connection
        .prepare_cached(
            "update webhooks_endpoint set url = ?2, event_types = ?3, settings = ?4 where key = ?1",
        )?
        .execute(params![
            key,
            seal.seal(url.as_str().as_bytes(), &place),
            serde_json::to_string(&new.event_types).unwrap_or_default(),
            seal.seal(&settings, &place),
        ])?;
    context.endpoints.reload(context.connection, key)?;
    if !in_use {
        lane::try_again(context, key)?;
    }
    let record = context
        .endpoints
        .reader
        .read(context.connection, "key = ?1", params![key])?
        .pop()
        .ok_or(StoreError::Gone)?;
    Ok(record.to_public(&context.shared.timeline))
}

/// Adds a secret that signs from now on; those before sign beside it until the grace is over. With
/// no grace they are not kept, readable or not.
pub(crate) fn rotate(
    context: &mut ActContext<'_>,
    customer: &str,
    id: &EndpointId,
    secret: Secret,
    grace: Duration,
) -> Result<Secret, EndpointError> {
    let key = find(context, customer, id)?;
    let in_use = context.endpoints.holds(key);
    let connection = context.connection;
    let (count, last): (i64, i64) = connection
        .prepare_cached("select count(*), coalesce(max(number), 0) from webhooks_endpoint_secret where endpoint_key = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if grace.is_zero() {
        connection
            .prepare_cached("delete from webhooks_endpoint_secret where endpoint_key = ?1")?
            .execute([key])?;
    } else if count.unsigned_abs() >= SECRETS_MAX as u64 {
        return Err(EndpointError::TooManySecrets);
    }
    let until = context.shared.timeline.now().saturating_add(millis(grace));
    connection
        .prepare_cached(
            "update webhooks_endpoint_secret set expires_at = min(coalesce(expires_at, ?2), ?2) where endpoint_key = ?1",
        )?
        .execute(params![key, until])?;
    let sealed = context
        .endpoints
        .reader
        .seal
        .seal(secret.expose().as_bytes(), &endpoints::place(id.as_str()));
    connection
        .prepare_cached("insert into webhooks_endpoint_secret (endpoint_key, number, secret, expires_at) values (?1, ?2, ?3, null)")?
        .execute(params![key, last + 1, sealed])?;
    context.endpoints.reload(connection, key)?;
    if !in_use {
        lane::try_again(context, key)?;
    }
    Ok(secret)
}
