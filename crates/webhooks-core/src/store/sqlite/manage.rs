//! Adding and changing endpoints: acts on the writer thread.

use rusqlite::params;

use super::{
    endpoint_state,
    endpoints::{self, find},
    lane, secrets,
    statement::Statements,
    tx::Tx,
};
use crate::{
    address::credentials::hide_credentials,
    endpoint::{
        AddedEndpoint, ENDPOINTS_PER_CUSTOMER_MAX, Endpoint, EndpointId, change::EndpointChange,
        new::NewEndpoint,
    },
    model::endpoint::EndpointOf,
    secret::Secret,
    store::{endpoint_error::EndpointError, endpoint_row, error::StoreError},
};

/// Stores a new endpoint, whose settings and URL have been checked.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    customer: &str,
    new: &NewEndpoint,
    url: &url::Url,
) -> Result<AddedEndpoint, EndpointError> {
    let connection = tx.connection;
    let count: i64 = connection.read_row(
        "select count(*) from webhooks_endpoint where customer = ?1 and state <> 'removed'",
        [customer],
        |row| row.get(0),
    )?;
    if count.unsigned_abs() >= ENDPOINTS_PER_CUSTOMER_MAX as u64 {
        return Err(EndpointError::TooMany(customer.to_owned()));
    }
    let id = EndpointId::generate();
    let place = endpoint_row::place(id.as_str());
    let secret = new.secret.clone().unwrap_or_else(Secret::generate);
    let seal = tx.endpoints.reader.seal.clone();
    let now = tx.now();
    connection.run(
        "insert into webhooks_endpoint
         (id, customer, url, event_types, ordered, settings, state, state_reason, failing_since, created_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, 'active', '', null, ?7)",
        params![
            id.as_str(),
            customer,
            seal.seal(url.as_str().as_bytes(), &place),
            json(&new.event_types),
            new.ordered,
            seal.seal(json(&new.settings).as_bytes(), &place),
            now,
        ],
    )?;
    let key = connection.last_insert_rowid();
    secrets::insert(tx, (key, &id), 1, &secret)?;
    tx.endpoints.cache.forget_customer(customer);
    Ok(AddedEndpoint {
        id,
        secret,
        endpoint: read_back(tx, key)?,
    })
}

/// Forgets an endpoint's secrets, settings and URL; the rest keeps its attempts readable.
pub(crate) fn remove(tx: &mut Tx<'_>, of: &EndpointOf) -> Result<(), EndpointError> {
    let key = find(tx.connection, of)?;
    let place = endpoint_row::place(of.id.as_str());
    let seal = tx.endpoints.reader.seal.clone();
    let connection = tx.connection;
    // First what may be damaged: after that the endpoint can be read.
    connection.run(
        "delete from webhooks_endpoint_secret where endpoint_key = ?1",
        [key],
    )?;
    connection.run(
        "update webhooks_endpoint set settings = ?2, url = ?3 where key = ?1",
        params![
            key,
            seal.seal(b"{}", &place),
            seal.seal(b"about:removed", &place),
        ],
    )?;
    endpoint_state::set(tx, key, "disabled", "removed")?;
    connection.run(
        "update webhooks_endpoint set state = 'removed' where key = ?1",
        [key],
    )?;
    tx.endpoints.cache.forget_customer(&of.customer);
    tx.endpoints.cache.forget_key(key);
    tx.commit.due_by(tx.now());
    Ok(())
}

/// Changes the parts of an endpoint that `change` names; its id, secrets, order and history stay.
pub(crate) fn edit(
    tx: &mut Tx<'_>,
    of: &EndpointOf,
    change: &EndpointChange,
) -> Result<Endpoint, EndpointError> {
    let key = find(tx.connection, of)?;
    let in_use = tx.endpoints.cache.holds(key);
    let reader = tx.endpoints.reader.clone();
    let stored = endpoints::stored(&reader, tx.connection, key)?;
    let settings = change.apply(stored.settings)?;
    let event_types = change.event_types.as_ref().unwrap_or(&stored.event_types);
    let shown = hide_credentials(&stored.url);
    let url = match &change.url {
        Some(url) if *url != shown => tx.host.policy.parse(url)?,
        _ => stored.url,
    };
    settings.check_header_names(&url)?;
    let place = endpoint_row::place(of.id.as_str());
    tx.connection.run(
        "update webhooks_endpoint set url = ?2, event_types = ?3, settings = ?4 where key = ?1",
        params![
            key,
            reader.seal.seal(url.as_str().as_bytes(), &place),
            json(event_types),
            reader.seal.seal(json(&settings).as_bytes(), &place),
        ],
    )?;
    tx.endpoints.reload(tx.connection, key)?;
    if !in_use {
        lane::try_again(tx, key)?;
    }
    read_back(tx, key)
}

fn read_back(tx: &Tx<'_>, key: i64) -> Result<Endpoint, EndpointError> {
    let reader = &tx.endpoints.reader;
    let record = endpoints::read(reader, tx.connection, "key = ?1", params![key])?
        .pop()
        .ok_or(StoreError::Gone)?;
    Ok(record.to_public(&tx.host.timeline))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("lists of text and numbers can be written as JSON")
}
