//! The secrets of an endpoint: rotating them, listing them, ending one early.

use std::time::Duration;

use super::{endpoints::find, read::Reading, row::int, tx::Tx};
use crate::{
    clock::millis,
    endpoint::{EndpointId, SECRETS_MAX, SecretInfo},
    model::endpoint::EndpointOf,
    secret::Secret,
    store::{endpoint_error::EndpointError, endpoint_row::place, error::StoreError},
};

impl Tx<'_> {
    /// Stores a secret of an endpoint, given by key and id; it signs from now on.
    pub(super) async fn insert_secret(
        &mut self,
        (key, id): (i64, &EndpointId),
        number: i32,
        secret: &Secret,
    ) -> Result<(), StoreError> {
        let seal = &self.endpoints.reader.seal;
        let sealed = seal.seal(secret.expose().as_bytes(), &place(id.as_str()));
        self.query(
            "insert into webhooks.endpoint_secret (endpoint_key, number, secret, expires_at, created_at)
             values ($1, $2, $3, null, $4)",
        )
        .bind(key)
        .bind(number)
        .bind(sealed)
        .bind(self.now())
        .execute(self.connection)
        .await?;
        Ok(())
    }

    /// Adds a secret that signs from now on; the previous ones sign alongside it until the grace period is over.
    /// Without a grace period they are deleted, whether or not they can be read.
    pub(super) async fn rotate_secret(
        &mut self,
        of: &EndpointOf,
        secret: Secret,
        grace: Duration,
    ) -> Result<Secret, EndpointError> {
        let key = self.find(of).await?;
        let now = self.now();
        // Concurrent rotations happen one after the other.
        self.query("select 1 from webhooks.endpoint where key = $1 for update")
            .bind(key)
            .execute(self.connection)
            .await?;
        // Secrets whose grace period is over no longer sign, though maintenance may not have removed them yet.
        let (signing, last): (i64, i32) = self
            .query(
                "select count(*) filter (where expires_at is null or expires_at > $2), coalesce(max(number), 0)
                 from webhooks.endpoint_secret where endpoint_key = $1",
            )
            .bind(key)
            .bind(now)
            .read_row(self.connection)
            .await?;
        if grace.is_zero() {
            self.query("delete from webhooks.endpoint_secret where endpoint_key = $1")
                .bind(key)
                .execute(self.connection)
                .await?;
        } else if signing.unsigned_abs() >= SECRETS_MAX as u64 {
            return Err(EndpointError::TooManySecrets);
        }
        self.query("update webhooks.endpoint_secret set expires_at = least(expires_at, $2) where endpoint_key = $1")
            .bind(key)
            .bind(now.saturating_add(millis(grace)))
            .execute(self.connection)
            .await?;
        self.insert_secret((key, &of.id), last + 1, &secret).await?;
        self.use_from_now(key).await?;
        Ok(secret)
    }

    /// Ends a rotated secret before its grace period is over.
    pub(super) async fn end_secret(
        &mut self,
        of: &EndpointOf,
        number: u32,
    ) -> Result<(), EndpointError> {
        let key = self.find(of).await?;
        let ended = self
            .query(
                "delete from webhooks.endpoint_secret
                 where endpoint_key = $1 and number = $2 and expires_at is not null",
            )
            .bind(key)
            .bind(int(number))
            .execute(self.connection)
            .await?;
        if ended > 0 {
            return Ok(self.use_from_now(key).await?);
        }
        let is_newest = self
            .query("select 1 from webhooks.endpoint_secret where endpoint_key = $1 and number = $2")
            .bind(key)
            .bind(int(number))
            .has_row(self.connection)
            .await?;
        let id = of.id.clone();
        Err(if is_newest {
            EndpointError::NewestSecret { id, number }
        } else {
            EndpointError::UnknownSecret { id, number }
        })
    }

    async fn use_from_now(&mut self, key: i64) -> Result<(), StoreError> {
        let in_use = self.endpoints.cache.holds(key);
        self.note_change(key);
        self.reload(key).await?;
        if !in_use {
            self.try_again(key).await?;
        }
        Ok(())
    }
}

/// The secrets that sign now, the newest first. A damaged one is listed too, so that it can be ended.
pub(super) async fn list(
    reading: &mut Reading<'_>,
    of: &EndpointOf,
) -> Result<Vec<SecretInfo>, EndpointError> {
    let key = find(&mut reading.reader, of).await?;
    let place = place(of.id.as_str());
    let timeline = reading.timeline;
    let rows: Vec<(i32, Vec<u8>, Option<_>, Option<_>)> = reading
        .query(
            "select number, secret, created_at, expires_at from webhooks.endpoint_secret
             where endpoint_key = $1 and (expires_at is null or expires_at > $2)
             order by number desc",
        )
        .bind(key)
        .bind(timeline.now())
        .read_rows(reading.reader.connection)
        .await?;
    let secrets = rows
        .into_iter()
        .map(|(number, sealed, created_at, expires_at)| {
            let secret = reading.endpoints.open_secret(&sealed, &place);
            SecretInfo {
                number: number.unsigned_abs(),
                kind: secret.ok().map(|secret| secret.kind()),
                created_at: created_at.map(|at| timeline.to_wall(at)),
                expires_at: expires_at.map(|at| timeline.to_wall(at)),
            }
        });
    Ok(secrets.collect())
}
