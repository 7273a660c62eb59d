//! The endpoints of one customer: adding, changing, and acting on their deliveries.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use crate::{
    AddedEndpoint, Cursor, DeliveryError, Ending, Endpoint, EndpointError, EndpointId, Listing,
    NewEndpoint, Page, Replay, Secret,
    engine::{EndpointRecord, Shared},
    event::check_customer,
    store::{
        StoreError,
        act::{Act, ActContext},
        listing,
        manage::{self, Change},
        read,
        replay::{self, TakenAway},
    },
    webhooks::Engine,
};

/// How long a secret that was rotated away still signs, unless said otherwise.
pub const ROTATION_GRACE_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// The endpoints of one customer; made by [`Webhooks::endpoints`](crate::Webhooks::endpoints).
pub struct Endpoints<'a> {
    engine: &'a Engine,
    customer: String,
}

impl std::fmt::Debug for Endpoints<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("customer", &self.customer)
            .finish_non_exhaustive()
    }
}

impl<'a> Endpoints<'a> {
    pub(crate) fn new(engine: &'a Engine, customer: String) -> Self {
        Self { engine, customer }
    }

    fn shared(&self) -> &'a Arc<Shared> {
        &self.engine.shared
    }

    /// Adds an endpoint: a URL, or a [`NewEndpoint`] with more settings. Its secret is shown in
    /// the answer and never again. A URL that is added twice is two endpoints, and gets each event
    /// twice: add it when the customer gives it to you, not at each start.
    ///
    /// # Errors
    /// The URL is one that may not be sent to, a setting is out of range, or the store refused.
    pub async fn add(
        &self,
        endpoint: impl Into<NewEndpoint>,
    ) -> Result<AddedEndpoint, EndpointError> {
        let new = endpoint.into();
        let url = self.check(&new)?;
        let customer = self.customer.clone();
        self.act(move |context| manage::add(context, &customer, &new, &url))
            .await
    }

    /// Replaces the URL, event types and settings of an endpoint. Its id, secrets, order and
    /// history stay; a secret or order in `endpoint` is ignored.
    ///
    /// # Errors
    /// As for [`Endpoints::add`], or the customer has no such endpoint.
    pub async fn update(
        &self,
        id: &EndpointId,
        endpoint: impl Into<NewEndpoint>,
    ) -> Result<Endpoint, EndpointError> {
        let new = endpoint.into();
        let url = self.check(&new)?;
        let (customer, id) = (self.customer.clone(), id.clone());
        self.act(move |context| manage::update(context, &customer, &id, &new, &url))
            .await
    }

    fn check(&self, new: &NewEndpoint) -> Result<url::Url, EndpointError> {
        check_customer(&self.customer)?;
        new.check()?;
        if new.secret.as_ref().is_some_and(|secret| !secret.can_sign()) {
            return Err(EndpointError::CannotSign);
        }
        Ok(self.shared().sender.policy().parse(&new.url)?)
    }

    /// Every endpoint of the customer, in the order they were added.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn list(&self) -> Result<Vec<Endpoint>, EndpointError> {
        let customer = self.customer.clone();
        let endpoints = self.engine.readers.endpoints.clone();
        let records = self.engine.readers.read(self.shared(), move |connection| {
            read::endpoints_of(connection, &endpoints, &customer)
        });
        let timeline = &self.shared().timeline;
        Ok(records
            .await?
            .iter()
            .map(|record| record.to_public(timeline))
            .collect())
    }

    /// One endpoint.
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store could not be read.
    pub async fn get(&self, id: &EndpointId) -> Result<Endpoint, EndpointError> {
        Ok(self.record(id).await?.to_public(&self.shared().timeline))
    }

    async fn record(&self, id: &EndpointId) -> Result<EndpointRecord, EndpointError> {
        let (customer, wanted) = (self.customer.clone(), id.clone());
        let endpoints = self.engine.readers.endpoints.clone();
        let found = self.engine.readers.read(self.shared(), move |connection| {
            let condition = "id = ?1 and customer = ?2 and state <> 'removed'";
            Ok(endpoints
                .read(
                    connection,
                    condition,
                    rusqlite::params![wanted.as_str(), customer],
                )?
                .pop())
        });
        found.await?.ok_or_else(|| EndpointError::Unknown {
            customer: self.customer.clone(),
            id: id.clone(),
        })
    }

    /// Keeps events back until [`Endpoints::resume`].
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store refused.
    pub async fn pause(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, Change::Pause).await
    }

    /// Delivers again, what was kept back first.
    ///
    /// # Errors
    /// As for [`Endpoints::pause`].
    pub async fn resume(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, Change::Activate).await
    }

    /// Enables an endpoint that was disabled. What was sent meanwhile is on record as
    /// [`Ending::Disabled`]; [`Endpoints::replay`] sends it.
    ///
    /// # Errors
    /// As for [`Endpoints::pause`].
    pub async fn enable(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, Change::Activate).await
    }

    /// Ends what is owed to the endpoint and records further events as [`Ending::Disabled`].
    ///
    /// # Errors
    /// As for [`Endpoints::pause`].
    pub async fn disable(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, Change::Disable).await
    }

    /// Removes the endpoint with its secrets; what is owed to it ends.
    ///
    /// # Errors
    /// As for [`Endpoints::pause`].
    pub async fn remove(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, Change::Remove).await
    }

    async fn change(&self, id: &EndpointId, change: Change) -> Result<(), EndpointError> {
        let (customer, id) = (self.customer.clone(), id.clone());
        self.act(move |context| manage::change(context, &customer, &id, change))
            .await
    }

    /// Signs with a new secret from now on; the ones before sign beside it for `grace`, so that a
    /// receiver that knows either accepts every delivery. With a grace of zero they are gone at once,
    /// also those that can no longer be read. `secret` is generated unless given.
    ///
    /// # Errors
    /// The secret cannot sign, too many sign already, there is no such endpoint, or the store
    /// refused.
    pub async fn rotate_secret(
        &self,
        id: &EndpointId,
        secret: Option<Secret>,
        grace: Duration,
    ) -> Result<Secret, EndpointError> {
        let secret = secret.unwrap_or_else(Secret::generate);
        if !secret.can_sign() {
            return Err(EndpointError::CannotSign);
        }
        let (customer, id) = (self.customer.clone(), id.clone());
        self.act(move |context| manage::rotate(context, &customer, &id, secret, grace))
            .await
    }

    /// A page of at most `limit` (1 to 500) of the endpoint's deliveries.
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store could not be read.
    pub async fn deliveries(
        &self,
        id: &EndpointId,
        listing: Listing,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, EndpointError> {
        let record = self.record(id).await?;
        let shared = Arc::clone(self.shared());
        let page = self.engine.readers.read(self.shared(), move |connection| {
            listing::page(connection, &shared, &record, listing, cursor, limit)
        });
        Ok(page.await?)
    }

    /// Sends one event to the endpoint again, now, with a schedule of its own. What is owed
    /// already is only made due.
    ///
    /// # Errors
    /// There is no such event or endpoint, the endpoint is disabled, or the store refused.
    pub async fn resend(&self, id: &EndpointId, event_id: &str) -> Result<(), DeliveryError> {
        let (customer, id, event_id) = (self.customer.clone(), id.clone(), event_id.to_owned());
        self.act(move |context| replay::resend(context, &customer, &event_id, &id))
            .await
    }

    /// Sends the events that `replay` selects again; returns how many. With
    /// [`Replay::dry_run`] it only counts.
    ///
    /// # Errors
    /// There is no such endpoint, it is disabled, or the store refused; what was added before
    /// the error stays owed.
    pub async fn replay(&self, id: &EndpointId, replay: Replay) -> Result<u64, DeliveryError> {
        let record = Arc::new(self.record(id).await?);
        if matches!(record.state, crate::EndpointState::Disabled { .. }) && !replay.dry_run {
            return Err(DeliveryError::Disabled(id.clone()));
        }
        let mut total = 0;
        let mut from = None;
        loop {
            let (shared, reading) = (Arc::clone(self.shared()), Arc::clone(&record));
            let look = self.engine.readers.read(self.shared(), move |connection| {
                replay::look(connection, &shared, &reading, &replay, from)
            });
            let look = look.await?;
            if replay.dry_run {
                total += look.seqs.len();
            } else {
                for seqs in look.seqs.chunks(replay::REPLAY_ROWS) {
                    let (key, seqs) = (record.key, seqs.to_vec());
                    let added: Result<usize, StoreError> = self
                        .act(move |context| replay::owe_all(context, key, &seqs))
                        .await;
                    total += added?;
                }
            }
            from = look.next;
            if from.is_none() {
                return Ok(u64::try_from(total).unwrap_or_default());
            }
        }
    }

    /// Cancels what one event owes to the endpoint. Returns true when a request may be in flight
    /// at this moment: it cannot be called back, but none follows.
    ///
    /// # Errors
    /// Nothing is owed, there is no such event or endpoint, or the store refused.
    pub async fn cancel(&self, id: &EndpointId, event_id: &str) -> Result<bool, DeliveryError> {
        self.take_away(id, event_id, Ending::Canceled).await
    }

    /// Skips the head of an ordered endpoint, so that what stands behind it goes on. Returns the
    /// id of the event that was skipped, or `None` when nothing is blocked.
    ///
    /// # Errors
    /// There is no such endpoint, or the store refused.
    pub async fn skip(&self, id: &EndpointId) -> Result<Option<String>, DeliveryError> {
        let record = self.record(id).await?;
        let head: Result<Option<String>, StoreError> = self
            .act(move |context| replay::head(context, record.key))
            .await;
        let Some(event_id) = head? else {
            return Ok(None);
        };
        match self.take_away(id, &event_id, Ending::Skipped).await {
            Ok(_) => Ok(Some(event_id)),
            // It got through between the two steps.
            Err(DeliveryError::NotOwed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn take_away(
        &self,
        id: &EndpointId,
        event_id: &str,
        ending: Ending,
    ) -> Result<bool, DeliveryError> {
        let (customer, id, event_id) = (self.customer.clone(), id.clone(), event_id.to_owned());
        let place = self.shared().queue.place().await?;
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(self.shared());
        self.shared().queue.act(Act::new(
            move |context| replay::take_away(context, &customer, &event_id, &id, ending),
            move |result: Result<TakenAway, DeliveryError>| {
                // After the commit, on the writer thread: nothing can be handed over meanwhile.
                let answer = result.map(|TakenAway { outbox, claim }| {
                    claim.is_some_and(|claim| {
                        !outbox.is_some_and(|outbox| outbox.take_out(&shared, claim))
                    })
                });
                let _ = reply.send(answer);
                drop(place);
            },
        ));
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    async fn act<T, E>(
        &self,
        work: impl FnOnce(&mut ActContext<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = self.shared().queue.place().await?;
        let (reply, answer) = oneshot::channel();
        self.shared().queue.act(Act::new(work, move |result| {
            // A caller that went away has its change made all the same.
            let _ = reply.send(result);
            drop(place);
        }));
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}
