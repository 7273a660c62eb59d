//! The button itself: draws a number, sends it, and keeps its journey up to date.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;
use uuid::Uuid;
use webhooks_core::{Activities, NetworkError, Owed, TransactionError, Webhooks};

use crate::{
    deliveries, draws,
    endpoints::{self, ReconcileError},
    follower::Follower,
    journey::Journey,
    journeys::Journeys,
    press_limit::{PressLimit, TooMany},
    settings::Settings,
};

/// Whose endpoints the numbers go to: the button has only itself as a customer.
const CUSTOMER: &str = "button";
/// Pages open at once that are kept live; each holds a connection.
const LIVE_PAGES_MAX: usize = 200;

/// Draws a number from 0 to 999.
pub type Draw = fn() -> u16;

/// A draw that nobody can foresee.
#[must_use]
pub fn random_number() -> u16 {
    rand::random_range(0..=999)
}

/// A button that delivers. Clones are the same button.
#[derive(Debug, Clone)]
pub struct Button {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    webhooks: Webhooks,
    pub(crate) journeys: Arc<Journeys>,
    pub(crate) host_names: Vec<String>,
    pub(crate) pages: serve::Pages,
    pub(crate) live_places: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
    follower: Arc<Follower>,
    limit: Mutex<PressLimit>,
    draw: Draw,
    tasks: TaskTracker,
    /// The endpoint that is the texter's.
    texter_endpoint: Url,
}

/// The button can't be put up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A network that may be sent to is not one.
    #[error("WEBHOOK_ALLOW_NETWORKS: {0}")]
    Networks(#[from] NetworkError),
    /// The store can't be opened.
    #[error("BUTTON_STORE {store:?} can't be opened: {source}")]
    Store {
        /// The file.
        store: String,
        /// What is wrong with it, and what to do.
        source: webhooks_core::OpenError,
    },
    /// The numbers that were drawn can't be read or kept.
    #[error("BUTTON_STORE {store:?} can't be used: {source}")]
    Draws {
        /// The file.
        store: String,
        /// What is wrong with it.
        source: TransactionError,
    },
    /// The endpoints can't be registered.
    #[error(transparent)]
    Endpoints(#[from] ReconcileError),
    /// The client that asks the texter can't be made.
    #[error("the client that asks the texter can't be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// A press led to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PressError {
    /// Too many presses.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The event could not be stored, so nothing will be sent.
    #[error("the event could not be stored: {0}")]
    Store(#[from] TransactionError),
}

impl Button {
    /// Opens the store, brings the endpoints in line with the settings, restores the journeys on
    /// record, and starts delivering.
    ///
    /// # Errors
    /// [`OpenError`] names the variable to correct.
    pub async fn open(settings: &Settings, draw: Draw) -> Result<Self, OpenError> {
        let webhooks = Webhooks::builder()
            .allow_networks(&settings.allow_networks)?
            .open(&format!("sqlite:{}", settings.store))
            .await
            .map_err(|source| OpenError::Store {
                store: settings.store.clone(),
                source,
            })?;
        let draws_error = |source| OpenError::Draws {
            store: settings.store.clone(),
            source,
        };
        draws::prepare(&webhooks).await.map_err(draws_error)?;
        endpoints::reconcile(&webhooks, CUSTOMER, settings).await?;

        let journeys = Arc::new(Journeys::new());
        let restored = draws::restore(&webhooks).await.map_err(draws_error)?;
        let mut limit = PressLimit::new(settings.presses);
        limit.restore(restored.iter().map(|journey| journey.drawn_at));
        for journey in restored {
            journeys.begin(journey);
        }
        let stop = CancellationToken::new();
        let follower = Follower::new(settings.texter.clone(), Arc::clone(&journeys), stop.clone())?;
        let inner = Arc::new(Inner {
            webhooks,
            journeys,
            host_names: settings.host_names.clone(),
            pages: settings.pages.clone(),
            live_places: Arc::new(Semaphore::new(LIVE_PAGES_MAX)),
            stop,
            follower: Arc::new(follower),
            limit: Mutex::new(limit),
            draw,
            tasks: TaskTracker::new(),
            texter_endpoint: settings.texter_endpoint(),
        });
        let keeper = Arc::clone(&inner);
        // Subscribed before the journeys are read: nothing falls between the two.
        let activities = inner.webhooks.subscribe();
        inner
            .tasks
            .spawn(async move { keeper.keep_journeys(activities).await });
        for event_id in inner.journeys.ids_where(|_| true) {
            inner.refresh(&event_id).await;
        }
        Ok(Self { inner })
    }

    /// Ends the pages' live connections, so that serving can stop.
    pub fn stop_live(&self) {
        self.inner.stop.cancel();
    }

    /// Stops delivering: what is under way may finish within `grace`, what is still owed stays
    /// in the store.
    pub async fn shutdown(&self, grace: Duration) -> Owed {
        self.stop_live();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.follower.stopped().await;
        self.inner.webhooks.shutdown(grace).await
    }
}

impl Inner {
    /// Draws a number and sends it; returns once the event is stored.
    pub(crate) async fn press(&self) -> Result<Journey, PressError> {
        let now = SystemTime::now();
        self.limit().press(now)?;
        // Of version 7, so that ids sort by time; known before the first activity can come.
        let event_id = Uuid::now_v7().to_string();
        let journey = Journey::new(event_id.clone(), (self.draw)(), now);
        self.journeys.begin(journey.clone());
        if let Err(error) = draws::send(&self.webhooks, CUSTOMER, &journey).await {
            self.journeys.forget(&event_id);
            self.limit().take_back();
            return Err(error.into());
        }
        tracing::info!(
            event.id = event_id,
            number = journey.number,
            "drew and sent a number"
        );
        self.refresh(&event_id).await;
        Ok(journey)
    }

    /// Brings a journey up to what the engine knows, and has its text followed when it is due.
    pub(crate) async fn refresh(&self, event_id: &str) {
        match self.webhooks.deliveries(CUSTOMER, event_id).await {
            Ok(found) => {
                let legs = deliveries::legs(&found, &self.texter_endpoint);
                self.journeys.set_legs(event_id, legs);
            }
            Err(error) => {
                tracing::warn!(event.id = event_id, %error, "the deliveries can't be read");
            }
        }
        self.follow_if_due(event_id);
    }

    /// Has the text of a journey followed when there is more to learn.
    pub(crate) fn follow_if_due(&self, event_id: &str) {
        if self
            .journeys
            .get(event_id)
            .is_some_and(|journey| journey.wants_following())
        {
            self.follower.follow(event_id);
        }
    }

    /// Follows the engine's activity until the button stops.
    async fn keep_journeys(&self, mut activities: Activities) {
        loop {
            let activity = tokio::select! {
                () = self.stop.cancelled() => return,
                activity = activities.next() => activity,
            };
            let Some(activity) = activity else { return };
            match activity.event_id {
                Some(event_id) if self.journeys.get(&event_id).is_some() => {
                    self.refresh(&event_id).await;
                }
                Some(_) => {}
                // It is about an endpoint, or some were missed: any open journey may have moved.
                None => {
                    for event_id in self.journeys.ids_where(Journey::is_owed) {
                        self.refresh(&event_id).await;
                    }
                }
            }
        }
    }

    fn limit(&self) -> std::sync::MutexGuard<'_, PressLimit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
