//! The endpoints of one customer: adding and changing them, and acting on their deliveries.

use std::{sync::Arc, time::Duration};

use crate::{
    attempt::Attempt,
    delivery::EndReason,
    endpoint::{
        AddedEndpoint, Endpoint, EndpointId, SecretInfo, change::EndpointChange, check_reason,
        new::NewEndpoint, settings::EndpointSettings,
    },
    engine::{
        Shared,
        test_attempt::{TestError, test_attempt},
    },
    event::{Event, check_customer},
    model::{
        delivery::DeliveryOf,
        endpoint::{EndpointOf, EndpointRecord, StateChange},
        page::{DeliveryFilter, DeliveryPage, PageCursor, PageOf},
        replay::{REPLAY_ROWS, Replay},
    },
    secret::Secret,
    store::{
        ask::Ask,
        busy::{MaybeBusy, while_busy},
        delivery_error::DeliveryError,
        endpoint_error::EndpointError,
        error::StoreError,
        reply::Reply,
    },
    webhooks::{Engine, Webhooks},
};

/// How long an old secret still signs after a rotation, unless specified otherwise.
pub const ROTATION_GRACE_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// The endpoints of one customer; returned by [`Webhooks::endpoints`](crate::Webhooks::endpoints).
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

impl Webhooks {
    /// The endpoints of one customer. The customer is an id of your own, 1 to 128 bytes.
    #[must_use]
    pub fn endpoints(&self, customer: impl Into<String>) -> Endpoints<'_> {
        Endpoints::new(self.engine(), customer.into())
    }
}

impl<'a> Endpoints<'a> {
    pub(crate) fn new(engine: &'a Engine, customer: String) -> Self {
        Self { engine, customer }
    }

    fn shared(&self) -> &'a Arc<Shared> {
        &self.engine.shared
    }

    /// Adds an endpoint: a URL, or a [`NewEndpoint`] with more settings. Its secret is part of the result and is
    /// never shown again. Adding the same URL twice makes two endpoints, and it gets each event twice: add an
    /// endpoint when the customer gives you the URL, not at each start.
    ///
    /// # Errors
    /// Webhooks may not be sent to the URL, a setting is out of range, or the store refused.
    pub async fn add(
        &self,
        endpoint: impl Into<NewEndpoint>,
    ) -> Result<AddedEndpoint, EndpointError> {
        let new = endpoint.into();
        let url = self.check(&new)?;
        let customer = self.customer.clone();
        let added = self.ask(|reply| {
            let reply = reply.telling(|AddedEndpoint { id, endpoint, .. }: &AddedEndpoint| {
                tracing::info!(
                    customer = endpoint.customer,
                    endpoint.id = %id,
                    url = endpoint.url,
                    "an endpoint was added"
                );
            });
            Ask::Add(customer.clone(), Box::new(new.clone()), url.clone(), reply)
        });
        added.await
    }

    /// Changes what `change` names in an endpoint, and nothing else. Its id, secrets, order and history stay.
    ///
    /// # Errors
    /// As for [`Endpoints::add`], or the customer has no such endpoint; nothing was changed.
    pub async fn edit(
        &self,
        id: &EndpointId,
        change: EndpointChange,
    ) -> Result<Endpoint, EndpointError> {
        let of = self.of(id);
        let edited = self.ask(|reply| {
            let reply = reply.telling(|endpoint: &Endpoint| {
                tracing::info!(
                    customer = endpoint.customer,
                    endpoint.id = %endpoint.id,
                    url = endpoint.url,
                    "an endpoint was edited"
                );
            });
            Ask::Edit(of.clone(), Box::new(change.clone()), reply)
        });
        edited.await
    }

    fn check(&self, new: &NewEndpoint) -> Result<url::Url, EndpointError> {
        check_customer(&self.customer)?;
        new.check()?;
        if new.secret.as_ref().is_some_and(|secret| !secret.can_sign()) {
            return Err(EndpointError::CannotSign);
        }
        let url = self.shared().sender.policy().parse(&new.url)?;
        new.settings.check_header_names(&url)?;
        Ok(url)
    }

    /// Every endpoint of the customer, in the order they were added.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn list(&self) -> Result<Vec<Endpoint>, EndpointError> {
        let records = self.engine.store.endpoints(&self.customer).await?;
        let timeline = &self.shared().timeline;
        Ok(records
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
        self.engine.store.endpoint(self.of(id)).await
    }

    fn of(&self, id: &EndpointId) -> EndpointOf {
        EndpointOf {
            customer: self.customer.clone(),
            id: id.clone(),
        }
    }

    fn delivery(&self, id: &EndpointId, event_id: &str) -> DeliveryOf {
        DeliveryOf {
            endpoint: self.of(id),
            event_id: event_id.to_owned(),
        }
    }

    /// The settings of an endpoint that [`Endpoints::get`] does not show.
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store could not be read.
    pub async fn settings(&self, id: &EndpointId) -> Result<EndpointSettings, EndpointError> {
        self.engine.store.settings(self.of(id)).await
    }

    /// Holds events back until [`Endpoints::resume`]. An endpoint that is already paused stays paused. On Postgres
    /// it returns once every engine on the database has learned of the pause or is known to send nothing any more,
    /// which is at most ten seconds after the last sign of life from that engine.
    ///
    /// # Errors
    /// The endpoint is disabled, the customer has no such endpoint, or the store refused.
    pub async fn pause(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, StateChange::Pause).await?;
        self.engine.store.until_heard(&self.of(id)).await
    }

    /// Ends a pause: delivery continues, starting with the events that were held back. An active endpoint stays
    /// active.
    ///
    /// # Errors
    /// As for [`Endpoints::pause`]: resuming does not enable a disabled endpoint.
    pub async fn resume(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, StateChange::Resume).await
    }

    /// Enables a disabled endpoint. Events sent while it was disabled are recorded as [`EndReason::Disabled`];
    /// [`Endpoints::replay`] sends them. An active endpoint stays active.
    ///
    /// # Errors
    /// The endpoint is paused, the customer has no such endpoint, or the store refused.
    pub async fn enable(&self, id: &EndpointId) -> Result<(), EndpointError> {
        self.change(id, StateChange::Enable).await
    }

    /// Ends the endpoint's pending deliveries and records further events as [`EndReason::Disabled`]. `reason` is
    /// shown in [`EndpointState::Disabled`](crate::EndpointState::Disabled), and is at most
    /// [`DISABLE_REASON_BYTES_MAX`](crate::DISABLE_REASON_BYTES_MAX) bytes long; it replaces the reason of an
    /// endpoint that is already disabled.
    ///
    /// # Errors
    /// The reason is empty or too long, the customer has no such endpoint, or the store refused.
    pub async fn disable(
        &self,
        id: &EndpointId,
        reason: impl Into<String>,
    ) -> Result<(), EndpointError> {
        let reason = reason.into();
        check_reason(&reason)?;
        self.change(id, StateChange::Disable(reason)).await
    }

    /// Removes the endpoint and its secrets; its pending deliveries end.
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store refused.
    pub async fn remove(&self, id: &EndpointId) -> Result<(), EndpointError> {
        let of = self.of(id);
        let note = note(&of, "an endpoint was removed");
        self.ask(|reply| Ask::Remove(of.clone(), reply.telling(note.clone())))
            .await
    }

    async fn change(&self, id: &EndpointId, change: StateChange) -> Result<(), EndpointError> {
        let of = self.of(id);
        let (told, made) = (of.clone(), change.clone());
        let tell = move |changed: &bool| {
            if *changed {
                let EndpointOf { customer, id } = told;
                tracing::info!(customer, endpoint.id = %id, "an endpoint was {made}");
            }
        };
        let changed = self
            .ask(|reply| Ask::ChangeState(of.clone(), change.clone(), reply.telling(tell.clone())));
        changed.await.map(drop)
    }

    /// Makes one attempt at the endpoint now and returns the outcome, whatever the endpoint's event types are, and
    /// even when it is paused or disabled. Use it to check whether a URL and secret are right. Nothing is stored
    /// and nothing is retried, and pending deliveries do not wait for it.
    ///
    /// # Errors
    /// [`TestError`]. A failure of the receiver is reported in the [`Attempt`], not as an error.
    pub async fn test(&self, id: &EndpointId, event: Event) -> Result<Attempt, TestError> {
        let event = event.prepare()?;
        let record = self.record(id).await?;
        test_attempt(self.shared(), &record, event).await
    }

    /// Signs with a new secret from now on. The previous secrets continue to sign alongside it for `grace`, so
    /// that a receiver that knows either of them accepts every delivery. With a grace period of zero they are
    /// removed at once, including any that can no longer be read. `secret` is generated if `None`.
    ///
    /// # Errors
    /// The secret cannot sign, too many secrets sign already, there is no such endpoint, or the store refused.
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
        let of = self.of(id);
        let note = note(&of, "an endpoint's secret was rotated");
        self.ask(|reply| {
            let reply = reply.telling(note.clone());
            Ask::RotateSecret(of.clone(), secret.clone(), grace, reply)
        })
        .await
    }

    /// The secrets that sign now, newest first; the secrets themselves are not shown again.
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store could not be read.
    pub async fn secrets(&self, id: &EndpointId) -> Result<Vec<SecretInfo>, EndpointError> {
        self.engine.store.secrets(self.of(id)).await
    }

    /// Ends an old secret before its grace period is over, because it leaked or because its receivers have moved
    /// on. `number` is [`SecretInfo::number`].
    ///
    /// # Errors
    /// It is the newest secret, which [`Endpoints::rotate_secret`] replaces, there is no such secret or endpoint,
    /// or the store refused.
    pub async fn end_secret(&self, id: &EndpointId, number: u32) -> Result<(), EndpointError> {
        let of = self.of(id);
        let note = note(&of, "an endpoint's secret was ended early");
        self.ask(|reply| Ask::EndSecret(of.clone(), number, reply.telling(note.clone())))
            .await
    }

    /// A page of at most `limit` (1 to 500) of the endpoint's deliveries.
    ///
    /// # Errors
    /// The customer has no such endpoint, or the store could not be read.
    pub async fn deliveries(
        &self,
        id: &EndpointId,
        listing: DeliveryFilter,
        cursor: Option<PageCursor>,
        limit: usize,
    ) -> Result<DeliveryPage, EndpointError> {
        let record = self.record(id).await?;
        let page = PageOf {
            listing,
            cursor,
            limit,
        };
        Ok(self.engine.store.page(record, page).await?)
    }

    /// Sends one event to the endpoint again, now, with a retry schedule of its own. If the delivery is still
    /// pending, it only becomes due now.
    ///
    /// # Errors
    /// There is no such event or endpoint, the endpoint is disabled, or the store refused.
    pub async fn resend(&self, id: &EndpointId, event_id: &str) -> Result<(), DeliveryError> {
        let of = self.delivery(id, event_id);
        self.ask(|reply| Ask::Resend(of.clone(), reply)).await
    }

    /// Sends the events that `replay` selects again, and returns how many there are. With [`Replay::dry_run`] it
    /// only counts them.
    ///
    /// # Errors
    /// There is no such endpoint, it is disabled, or the store refused; deliveries added before the error stay
    /// pending.
    pub async fn replay(&self, id: &EndpointId, replay: Replay) -> Result<u64, DeliveryError> {
        let record = Arc::new(self.record(id).await?);
        if matches!(
            record.state,
            crate::endpoint::EndpointState::Disabled { .. }
        ) && !replay.dry_run
        {
            return Err(DeliveryError::Disabled(id.clone()));
        }
        let mut total = 0;
        let mut from = None;
        loop {
            let look = self.engine.store.look(&record, replay, from).await?;
            if replay.dry_run {
                total += look.seqs.len();
            } else {
                for seqs in look.seqs.chunks(REPLAY_ROWS) {
                    let (key, seqs) = (record.key, seqs.to_vec());
                    let added = self.ask(|reply| Ask::Replay(key, seqs.clone(), reply));
                    let added: Result<usize, StoreError> = added.await;
                    total += added?;
                }
            }
            from = look.next;
            if from.is_none() {
                return Ok(u64::try_from(total).unwrap_or_default());
            }
        }
    }

    /// Cancels the pending delivery of one event to the endpoint. Returns true when a request may be in flight at
    /// this moment: that one cannot be called back, but none follows it.
    ///
    /// # Errors
    /// No delivery is pending, there is no such event or endpoint, or the store refused.
    pub async fn cancel(&self, id: &EndpointId, event_id: &str) -> Result<bool, DeliveryError> {
        self.take_away(id, event_id, EndReason::Canceled).await
    }

    /// Skips the first pending delivery of an ordered endpoint, so that those behind it can continue. Returns the
    /// id of the event that was skipped, or `None` when nothing is blocked.
    ///
    /// # Errors
    /// There is no such endpoint, or the store refused.
    pub async fn skip(&self, id: &EndpointId) -> Result<Option<String>, DeliveryError> {
        let record = self.record(id).await?;
        let key = record.key;
        let head: Result<Option<String>, StoreError> =
            self.ask(|reply| Ask::Head(key, reply)).await;
        let Some(event_id) = head? else {
            return Ok(None);
        };
        match self.take_away(id, &event_id, EndReason::Skipped).await {
            Ok(_) => Ok(Some(event_id)),
            // It got through between the two steps.
            Err(DeliveryError::NotPending { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn take_away(
        &self,
        id: &EndpointId,
        event_id: &str,
        ending: EndReason,
    ) -> Result<bool, DeliveryError> {
        let of = self.delivery(id, event_id);
        self.ask(|reply| Ask::TakeAway(of.clone(), ending, reply))
            .await
    }

    async fn ask<T, E: From<StoreError> + MaybeBusy>(
        &self,
        ask: impl Fn(Reply<T, E>) -> Ask,
    ) -> Result<T, E> {
        while_busy(|| self.shared().queue.ask_in_turn(&ask)).await
    }
}

/// Logs a change of the endpoint.
fn note<T>(of: &EndpointOf, done: &'static str) -> impl FnOnce(&T) + Clone + Send + use<T> {
    let EndpointOf { customer, id } = of.clone();
    move |_| tracing::info!(customer, endpoint.id = %id, "{done}")
}
