//! The secrets of an endpoint: rotating them, listing them, ending one early.

use std::time::Duration;

use rusqlite::params;

use super::{endpoints::find, lane, read::Reading, statement::Statements, tx::Tx};
use crate::{
    clock::millis,
    endpoint::{EndpointId, SECRETS_MAX, SecretInfo},
    model::endpoint::EndpointOf,
    secret::Secret,
    store::{endpoint_error::EndpointError, endpoint_row, error::StoreError},
};

/// Stores a secret of an endpoint, given by key and id; it signs from now on.
pub(super) fn insert(
    tx: &Tx<'_>,
    (key, id): (i64, &EndpointId),
    number: i64,
    secret: &Secret,
) -> Result<(), StoreError> {
    let seal = &tx.endpoints.reader.seal;
    let sealed = seal.seal(
        secret.expose().as_bytes(),
        &endpoint_row::place(id.as_str()),
    );
    tx.connection.run(
        "insert into webhooks_endpoint_secret (endpoint_key, number, secret, expires_at, created_at)
         values (?1, ?2, ?3, null, ?4)",
        params![key, number, sealed, tx.now()],
    )?;
    Ok(())
}

/// Adds a secret that signs from now on; the previous ones sign alongside it until the grace period is
/// over. Without a grace period they are deleted, whether or not they can be read.
pub(crate) fn rotate(
    tx: &mut Tx<'_>,
    of: &EndpointOf,
    secret: Secret,
    grace: Duration,
) -> Result<Secret, EndpointError> {
    let key = find(tx.connection, of)?;
    let connection = tx.connection;
    let now = tx.now();
    // Secrets whose grace period is over no longer sign, though maintenance may not have removed them yet.
    let (signing, last): (i64, i64) = connection.read_row(
        "select count(*) filter (where expires_at is null or expires_at > ?2), coalesce(max(number), 0)
         from webhooks_endpoint_secret where endpoint_key = ?1",
        [key, now],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if grace.is_zero() {
        connection.run(
            "delete from webhooks_endpoint_secret where endpoint_key = ?1",
            [key],
        )?;
    } else if signing.unsigned_abs() >= SECRETS_MAX as u64 {
        return Err(EndpointError::TooManySecrets);
    }
    let until = now.saturating_add(millis(grace));
    connection.run(
        "update webhooks_endpoint_secret set expires_at = min(coalesce(expires_at, ?2), ?2) where endpoint_key = ?1",
        params![key, until],
    )?;
    insert(tx, (key, &of.id), last + 1, &secret)?;
    use_from_now(tx, key)?;
    Ok(secret)
}

/// Ends a rotated secret before its grace period is over.
pub(crate) fn end(tx: &mut Tx<'_>, of: &EndpointOf, number: u32) -> Result<(), EndpointError> {
    let key = find(tx.connection, of)?;
    let ended = tx.connection.run(
        "delete from webhooks_endpoint_secret
         where endpoint_key = ?1 and number = ?2 and expires_at is not null",
        params![key, number],
    )?;
    if ended > 0 {
        return Ok(use_from_now(tx, key)?);
    }
    let newest = tx.connection.find_row(
        "select 1 from webhooks_endpoint_secret where endpoint_key = ?1 and number = ?2",
        params![key, number],
        |_| Ok(()),
    )?;
    let id = of.id.clone();
    Err(if newest.is_some() {
        EndpointError::NewestSecret { id, number }
    } else {
        EndpointError::UnknownSecret { id, number }
    })
}

fn use_from_now(tx: &mut Tx<'_>, key: i64) -> Result<(), StoreError> {
    let in_use = tx.endpoints.cache.holds(key);
    tx.endpoints.reload(tx.connection, key)?;
    if !in_use {
        lane::try_again(tx, key)?;
    }
    Ok(())
}

/// The secrets that sign now, the newest first. A damaged one is listed too, so that it can be ended.
pub(crate) fn list(
    reading: &Reading<'_>,
    of: &EndpointOf,
) -> Result<Vec<SecretInfo>, EndpointError> {
    let Reading {
        connection,
        timeline,
        endpoints: reader,
    } = *reading;
    let key = find(connection, of)?;
    let place = endpoint_row::place(of.id.as_str());
    Ok(connection.read_rows(
        "select number, secret, created_at, expires_at from webhooks_endpoint_secret
         where endpoint_key = ?1 and (expires_at is null or expires_at > ?2)
         order by number desc",
        [key, timeline.now()],
        |row| {
            let sealed: Vec<u8> = row.get(1)?;
            let secret = reader.open_secret(&sealed, &place);
            let created_at: Option<i64> = row.get(2)?;
            let expires_at: Option<i64> = row.get(3)?;
            Ok(SecretInfo {
                number: row.get(0)?,
                kind: secret.ok().map(|secret| secret.kind()),
                created_at: created_at.map(|at| timeline.to_wall(at)),
                expires_at: expires_at.map(|at| timeline.to_wall(at)),
            })
        },
    )?)
}
