//! Adding and changing endpoints.

use super::{
    endpoints::{Selection, read, stored},
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
    store::{
        endpoint_error::EndpointError,
        endpoint_row::{keeps_lane, place},
        error::StoreError,
    },
};

impl Tx<'_> {
    /// Stores a new endpoint, whose settings and URL have been checked.
    pub(super) async fn add_endpoint(
        &mut self,
        customer: &str,
        new: &NewEndpoint,
        url: &url::Url,
    ) -> Result<AddedEndpoint, EndpointError> {
        // One at a time per customer, because the limit holds across all nodes.
        self.query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(customer)
            .execute(self.connection)
            .await?;
        let count: i64 = self
            .query(
                "select count(*) from webhooks.endpoint where customer = $1 and state <> 'removed'",
            )
            .bind(customer)
            .read_value(self.connection)
            .await?;
        if count.unsigned_abs() >= ENDPOINTS_PER_CUSTOMER_MAX as u64 {
            return Err(EndpointError::TooMany(customer.to_owned()));
        }
        let id = EndpointId::generate();
        let place = place(id.as_str());
        let secret = new.secret.clone().unwrap_or_else(Secret::generate);
        let seal = self.endpoints.reader.seal.clone();
        let key = self
            .query(
                "insert into webhooks.endpoint
                 (id, customer, url, event_types, ordered, settings, state, state_reason, failing_since, created_at)
                 values ($1, $2, $3, $4, $5, $6, 'active', '', null, $7) returning key",
            )
            .bind(id.as_str())
            .bind(customer)
            .bind(seal.seal(url.as_str().as_bytes(), &place))
            .bind(json(&new.event_types))
            .bind(new.ordered)
            .bind(seal.seal(json(&new.settings).as_bytes(), &place))
            .bind(self.now())
            .read_value(self.connection)
            .await?;
        self.insert_secret((key, &id), 1, &secret).await?;
        self.own_lane(key, keeps_lane(new.ordered, &new.settings))
            .await?;
        self.note_change(key);
        self.endpoints.cache.forget_customer(customer);
        Ok(AddedEndpoint {
            id,
            secret,
            endpoint: self.read_back(key).await?,
        })
    }

    /// Forgets an endpoint's secrets, settings and URL; the rest keeps its attempts readable.
    pub(super) async fn remove_endpoint(&mut self, of: &EndpointOf) -> Result<(), EndpointError> {
        let key = self.find(of).await?;
        let place = place(of.id.as_str());
        let seal = self.endpoints.reader.seal.clone();
        // First what may be damaged: after that the endpoint can be read.
        self.query("delete from webhooks.endpoint_secret where endpoint_key = $1")
            .bind(key)
            .execute(self.connection)
            .await?;
        self.query("update webhooks.endpoint set settings = $2, url = $3 where key = $1")
            .bind(key)
            .bind(seal.seal(b"{}", &place))
            .bind(seal.seal(b"about:removed", &place))
            .execute(self.connection)
            .await?;
        self.set_state(key, "disabled", "removed").await?;
        self.query("update webhooks.endpoint set state = 'removed' where key = $1")
            .bind(key)
            .execute(self.connection)
            .await?;
        self.endpoints.cache.forget_customer(&of.customer);
        self.endpoints.cache.forget_key(key);
        self.note_change(key);
        self.commit.due_by(self.now());
        Ok(())
    }

    /// Changes the parts of an endpoint that `change` names; its id, secrets, order and history stay.
    pub(super) async fn edit_endpoint(
        &mut self,
        of: &EndpointOf,
        change: &EndpointChange,
    ) -> Result<Endpoint, EndpointError> {
        let key = self.find(of).await?;
        let in_use = self.endpoints.cache.holds(key);
        let reader = self.endpoints.reader.clone();
        let stored = stored(&reader, &mut self.reader(), key).await?;
        let settings = change.apply(stored.settings)?;
        let event_types = change.event_types.as_ref().unwrap_or(&stored.event_types);
        let shown = hide_credentials(&stored.url);
        let url = match &change.url {
            Some(url) if *url != shown => self.host.policy.parse(url)?,
            _ => stored.url,
        };
        settings.check_header_names(&url)?;
        let place = place(of.id.as_str());
        self.query(
            "update webhooks.endpoint set url = $2, event_types = $3, settings = $4 where key = $1",
        )
        .bind(key)
        .bind(reader.seal.seal(url.as_str().as_bytes(), &place))
        .bind(json(event_types))
        .bind(reader.seal.seal(json(&settings).as_bytes(), &place))
        .execute(self.connection)
        .await?;
        self.own_lane(key, keeps_lane(stored.ordered, &settings))
            .await?;
        self.note_change(key);
        self.reload(key).await?;
        if !in_use {
            self.try_again(key).await?;
        }
        self.read_back(key).await
    }

    async fn read_back(&mut self, key: i64) -> Result<Endpoint, EndpointError> {
        let reader = self.endpoints.reader.clone();
        let read = read(&reader, &mut self.reader(), Selection::Keys(&[key])).await?;
        let record = read.into_iter().next().ok_or(StoreError::Gone)?;
        Ok(record.to_public(&self.host.timeline))
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("lists of text and numbers can be written as JSON")
}
