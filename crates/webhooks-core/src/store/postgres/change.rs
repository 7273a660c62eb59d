//! How nodes hear of changes that other nodes make to endpoints.
//!
//! Every transaction that changes endpoints raises one version at its end; every transaction begins
//! by reading it. So an endpoint that was added before a send always gets the event, whichever node
//! sends it.

use std::sync::Arc;

use super::{
    bell::Concerned,
    endpoints::{Selection, endpoints_where, secrets_of},
    tx::Tx,
    witness::Witness,
};
use crate::{
    endpoint::EndpointState,
    outbox::Outbox,
    store::{endpoint_cache::Known, error::StoreError},
};

impl Tx<'_> {
    /// Notes that this transaction changes an endpoint.
    pub(super) fn note_change(&mut self, key: i64) {
        self.endpoints.changed.insert(key);
    }

    /// Reads what others changed, if the `version` at the beginning of this transaction is not the one
    /// that memory has.
    pub(super) async fn hear_of_changes(&mut self, version: i64) -> Result<(), StoreError> {
        let Some(known) = self.endpoints.version else {
            self.read_anew().await?;
            self.endpoints.version = Some(version);
            return Ok(());
        };
        for key in self.endpoints.cache.to_read() {
            self.hear_of(key).await?;
        }
        if known == version {
            return Ok(());
        }
        // This includes later changes: an endpoint that changed again since the beginning has only its last
        // version. It is then read again next time.
        let changed = self
            .query("select key from webhooks.endpoint where version > $1")
            .bind(known)
            .read_values(self.connection)
            .await?;
        for key in changed {
            self.hear_of(key).await?;
        }
        self.endpoints.version = Some(version);
        Ok(())
    }

    /// Endpoints in memory may differ from the stored ones, or may never have existed. Forgets those that are
    /// idle, and reads the others again.
    async fn read_anew(&mut self) -> Result<(), StoreError> {
        self.endpoints.cache.clear();
        for outbox in self.endpoints.cache.outboxes() {
            self.hear_of(outbox.key()).await?;
        }
        Ok(())
    }

    /// Reads an endpoint. One that memory has and that was never stored is forgotten.
    async fn hear_of(&mut self, key: i64) -> Result<(), StoreError> {
        let mut rows = endpoints_where(&mut self.reader(), Selection::Keys(&[key])).await?;
        let row = rows.pop();
        let known = self.endpoints.cache.by_key(key);
        if let Known::Held(outbox) = &known
            && row
                .as_ref()
                .is_none_or(|row| row.id != outbox.endpoint().id.as_str())
        {
            self.endpoints.cache.drop_key(key);
            return Ok(());
        }
        let Some(row) = row else {
            return Ok(());
        };
        self.endpoints.cache.forget_customer(&row.customer);
        let Known::Held(outbox) = known else {
            return Ok(());
        };
        let is_removed = row.state == "removed";
        let secrets = secrets_of(&mut self.reader(), &[key]).await?.remove(&key);
        let record = match self
            .endpoints
            .reader
            .record(row, secrets.unwrap_or_default())
        {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "a changed endpoint cannot be read");
                self.endpoints.cache.stays(key);
                return Ok(());
            }
        };
        let was_active = outbox.is_active();
        let is_active = record.state == EndpointState::Active;
        self.endpoints.cache.replace(key, Some(record));
        if was_active && !is_active {
            let given = outbox.give_all_back(self.now());
            self.commit.take_back(&outbox, given);
        } else if !was_active && is_active {
            outbox.forgive();
            self.commit.follow(&outbox, outbox.wake());
        }
        self.drop_taken_away(&outbox).await?;
        if is_removed {
            self.endpoints.cache.forget_key(key);
        }
        Ok(())
    }

    /// Deliveries that wait in memory may have been canceled or skipped on another node, which removed their
    /// rows: they are not sent.
    async fn drop_taken_away(&mut self, outbox: &Arc<Outbox>) -> Result<(), StoreError> {
        let (seqs, claims): (Vec<i64>, Vec<i64>) = outbox.waiting().into_iter().unzip();
        if seqs.is_empty() {
            return Ok(());
        }
        let claims = self
            .query(
                "select t.claim from unnest($1::int8[], $2::int8[]) as t(seq, claim)
                 left join lateral (
                     select x.claim from webhooks.delivery x
                     where x.event_seq = t.seq and x.endpoint_key = $3 limit 1) found on true
                 where found.claim is distinct from t.claim",
            )
            .bind(&seqs)
            .bind(&claims)
            .bind(outbox.key())
            .read_values(self.connection)
            .await?;
        for claim in claims {
            outbox.take_out(claim);
        }
        Ok(())
    }

    /// Publishes what this transaction changed. This comes last, so that a transaction that holds the lock on
    /// the version waits for nothing else.
    pub(super) async fn tell_of_changes(&mut self) -> Result<(), StoreError> {
        if self.endpoints.changed.is_empty() {
            return Ok(());
        }
        let changed: Vec<i64> = std::mem::take(&mut self.endpoints.changed)
            .into_iter()
            .collect();
        let version: i64 = self
            .query("update webhooks.change set version = version + 1 returning version")
            .read_value(self.connection)
            .await?;
        self.leaves(Witness::Changed {
            key: changed[0],
            version,
        });
        self.query("update webhooks.endpoint set version = $2 where key = any($1)")
            .bind(&changed)
            .bind(version)
            .execute(self.connection)
            .await?;
        *self.concerned = Concerned::All;
        // If others changed something since the beginning, the next transaction reads all changes since then.
        if self.endpoints.version == Some(version - 1) {
            self.endpoints.told = Some(version);
        }
        Ok(())
    }
}
