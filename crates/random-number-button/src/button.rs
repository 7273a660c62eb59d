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
use webhooks_core::{
    Activity, ActivityKind, ActivityStream, NetworkError, NextStep, Outcome, ShutdownReport,
    Webhooks,
};

#[cfg(feature = "postgres")]
use crate::{breakage::SwitchError, twin::Twin};
use crate::{
    breakage::Switchboard,
    deliveries::{self, Known},
    draws::{DrawError, Draws, is_postgres},
    endpoints::{self, ReconcileError},
    follower::Follower,
    journey::Journey,
    journeys::Journeys,
    moment::Moment,
    press_limit::{PressLimit, TooMany},
    sent::SentRequests,
    settings::Settings,
};

/// Whose endpoints the numbers go to: the button has only itself as a customer.
const CUSTOMER: &str = "button";
/// How often the other button's state is read.
#[cfg(feature = "postgres")]
const TWIN_PAUSE: Duration = Duration::from_millis(500);
/// How long the other button may take to start its request.
#[cfg(feature = "postgres")]
const TWIN_SENDS_WAIT: Duration = Duration::from_secs(3);
/// Maximum number of open pages that are kept live; each holds a connection.
const LIVE_PAGES_MAX: usize = 200;

/// Draws a number from 0 to 999.
pub type Draw = fn() -> u16;

/// A draw that nobody can predict.
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
    /// The HTTP client for requests to the programs that run with this one.
    pub(crate) client: reqwest::Client,
    /// The guided path's switches, if there is a dev-phone.
    pub(crate) switchboard: Option<Switchboard>,
    /// The other button on the same database, in the demo that has two.
    #[cfg(feature = "postgres")]
    pub(crate) twin: Option<Twin>,
    draws: Draws,
    /// When this button was started.
    pub(crate) started_at: SystemTime,
    follower: Arc<Follower>,
    limit: Mutex<PressLimit>,
    draw: Draw,
    tasks: TaskTracker,
    known: Arc<Known>,
}

/// The button can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An entry in the list of allowed networks is not a network.
    #[error("WEBHOOK_ALLOW_NETWORKS: {0}")]
    Networks(#[from] NetworkError),
    /// The store can't be opened.
    #[error("BUTTON_STORE {store:?} can't be opened: {source}")]
    Store {
        /// The file, or the database.
        store: String,
        /// What is wrong with it, and what to do.
        source: webhooks_core::OpenError,
    },
    /// The numbers that were drawn can't be read or kept.
    #[error("BUTTON_STORE {store:?} can't be used: {source}")]
    Draws {
        /// The file, or the database.
        store: String,
        /// What is wrong with it.
        source: DrawError,
    },
    /// The endpoints can't be registered.
    #[error(transparent)]
    Endpoints(#[from] ReconcileError),
    /// The client that asks the texter, polis and the phone can't be made.
    #[error("the client that asks the texter, polis and the phone can't be made: {0}")]
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
    Store(#[from] DrawError),
}

impl Button {
    /// Opens the store, brings the endpoints in line with the settings, restores the recorded
    /// journeys, and starts delivering.
    ///
    /// # Errors
    /// [`OpenError`] names the variable to correct.
    pub async fn open(settings: &Settings, draw: Draw) -> Result<Self, OpenError> {
        let known = Arc::new(Known {
            targets: settings.targets.clone(),
            texter: settings.texter_endpoint(),
            sent: SentRequests::default(),
        });
        let watched = Arc::clone(&known);
        let address = if is_postgres(&settings.store) {
            settings.store.clone()
        } else {
            format!("sqlite:{}", settings.store)
        };
        let webhooks = Webhooks::builder()
            .allow_networks(&settings.allow_networks)?
            .on_request(move |request| watched.sent.note(request))
            .open(&address)
            .await
            .map_err(|source| OpenError::Store {
                store: hide_password(&settings.store),
                source,
            })?;
        let draws_error = |source| OpenError::Draws {
            store: hide_password(&settings.store),
            source,
        };
        let draws = Draws::open(&webhooks, &settings.store)
            .await
            .map_err(draws_error)?;
        endpoints::reconcile(&webhooks, CUSTOMER, settings).await?;

        let journeys = Arc::new(Journeys::new());
        let restored = draws.restore(&webhooks).await.map_err(draws_error)?;
        let mut limit = PressLimit::new(settings.presses);
        limit.restore(restored.iter().map(|journey| journey.drawn_at));
        for journey in restored {
            journeys.begin(journey);
        }
        let stop = CancellationToken::new();
        let follower = Follower::new(settings.texter.clone(), Arc::clone(&journeys), stop.clone())?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("random-number-button")
            .build()?;
        let switchboard = settings
            .pages
            .url("phone")
            .map(|phone| Switchboard::new(client.clone(), phone, settings.texter.clone()));
        #[cfg(feature = "postgres")]
        let twin = settings
            .twin
            .clone()
            .map(|at| Twin::new(client.clone(), at));
        let inner = Arc::new(Inner {
            client,
            switchboard,
            #[cfg(feature = "postgres")]
            twin,
            draws,
            started_at: SystemTime::now(),
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
            known,
        });
        let keeper = Arc::clone(&inner);
        // Subscribes before the journeys are read, so that nothing is missed in between.
        let activities = inner.webhooks.subscribe();
        inner
            .tasks
            .spawn(async move { keeper.keep_journeys(activities).await });
        for event_id in inner.journeys.ids_where(|_| true) {
            inner.refresh(&event_id).await;
        }
        #[cfg(feature = "postgres")]
        if inner.twin.is_some() {
            let keeper = Arc::clone(&inner);
            inner
                .tasks
                .spawn(async move { keeper.keep_up_with_twin().await });
        }
        Ok(Self { inner })
    }

    /// Ends the pages' live connections, so that serving can stop.
    pub fn stop_live(&self) {
        self.inner.stop.cancel();
    }

    /// Stops delivering: requests in flight may finish within `grace`; deliveries that are still
    /// pending stay in the store.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.stop_live();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.follower.stopped().await;
        self.inner.webhooks.shutdown(grace).await
    }
}

/// An address for messages.
fn hide_password(store: &str) -> String {
    Url::parse(store)
        .ok()
        .filter(|_| is_postgres(store))
        .map_or_else(
            || store.to_owned(),
            |url| webhooks_core::hide_credentials(&url),
        )
}

impl Inner {
    /// Draws a number and sends it; returns once the event is stored.
    pub(crate) async fn press(&self) -> Result<Journey, PressError> {
        let now = SystemTime::now();
        self.limit().press(now)?;
        // Version 7, so that ids sort by time; the journey is known before its first activity can arrive.
        let event_id = Uuid::now_v7().to_string();
        let journey = Journey::new(event_id.clone(), (self.draw)(), now);
        self.journeys.begin(journey.clone());
        if let Err(error) = self.draws.send(&self.webhooks, CUSTOMER, &journey).await {
            self.journeys.forget(&event_id);
            self.limit().take_back();
            return Err(error.into());
        }
        tracing::info!(
            event.id = event_id,
            "{} drawn; its webhooks are stored and on their way",
            journey.number
        );
        self.refresh(&event_id).await;
        Ok(journey)
    }

    /// Updates a journey to what the engine knows, and follows its text if that is due.
    pub(crate) async fn refresh(&self, event_id: &str) {
        match self.webhooks.deliveries(CUSTOMER, event_id).await {
            Ok(found) => {
                let legs = deliveries::legs(&found, &self.known);
                self.journeys.set_legs(event_id, legs);
            }
            Err(error) => {
                tracing::warn!(event.id = event_id, %error, "the deliveries can't be read");
            }
        }
        self.follow_if_due(event_id);
    }

    /// Follows the text of a journey if there is more to learn about it.
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
    async fn keep_journeys(&self, mut activities: ActivityStream) {
        loop {
            let activity = tokio::select! {
                () = self.stop.cancelled() => return,
                activity = activities.next() => activity,
            };
            let Some(activity) = activity else { return };
            self.tell(&activity);
            match activity.event_id {
                Some(event_id) if self.journeys.get(&event_id).is_some() => {
                    self.refresh(&event_id).await;
                }
                Some(_) => {}
                // The activity is about an endpoint, or some were missed: any open journey may have changed.
                None => {
                    for event_id in self.journeys.ids_where(Journey::is_owed) {
                        self.refresh(&event_id).await;
                    }
                }
            }
        }
    }

    /// Logs the outcome of an attempt.
    fn tell(&self, activity: &Activity) {
        let ActivityKind::Attempted { attempt, next } = &activity.kind else {
            return;
        };
        let Some(event) = activity.event_id.as_deref() else {
            return;
        };
        let Some(Journey { number, .. }) = self.journeys.get(event) else {
            return;
        };
        let name = self.known.name(&activity.url);
        let took = attempt.duration.as_millis();
        match (&attempt.outcome, next) {
            (Outcome::Success, _) => {
                let status = attempt.status.unwrap_or_default();
                tracing::info!(
                    event.id = event,
                    "{number} delivered to {name}: {status} in {took} ms"
                );
            }
            (Outcome::Failure(failure), NextStep::RetryAt(at)) => {
                let at = Moment::new(*at).local();
                tracing::warn!("{number} not delivered to {name}: {failure}; next try at {at}");
            }
            (Outcome::Failure(failure), _) => {
                tracing::error!(
                    event.id = event,
                    "{number} not delivered to {name}: {failure}; given up"
                );
            }
        }
    }

    /// Learns what the other button does: its numbers, their outcomes, and which of the two holds
    /// which deliveries.
    #[cfg(feature = "postgres")]
    async fn keep_up_with_twin(&self) {
        loop {
            self.look_at_twin().await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(TWIN_PAUSE) => {}
            }
        }
    }

    #[cfg(feature = "postgres")]
    async fn look_at_twin(&self) {
        let Some(twin) = &self.twin else { return };
        match self.draws.restore(&self.webhooks).await {
            Ok(drawn) => {
                for journey in drawn {
                    self.journeys.begin(journey);
                }
            }
            Err(error) => tracing::warn!(%error, "the other button's numbers can't be read"),
        }
        for event_id in self.journeys.ids_where(Journey::is_owed) {
            self.refresh(&event_id).await;
        }
        match self.webhooks.nodes().await {
            Ok(nodes) => {
                if twin.saw(nodes) {
                    self.journeys.tell();
                }
            }
            Err(error) => tracing::warn!(%error, "the buttons on the database can't be listed"),
        }
    }

    /// Has the other button draw a number, and kills it while it is sending that number.
    #[cfg(feature = "postgres")]
    pub(crate) async fn end_twin(&self, twin: &Twin) -> Result<Journey, SwitchError> {
        let event_id = twin.draw().await?;
        let deadline = tokio::time::Instant::now() + TWIN_SENDS_WAIT;
        loop {
            self.look_at_twin().await;
            let journey = self.journeys.get(&event_id);
            if let Some(journey) = journey.filter(|_| twin.holds_something()) {
                // By then its request has been sent.
                tokio::time::sleep(TWIN_PAUSE).await;
                twin.end().await?;
                return Ok(journey);
            }
            if tokio::time::Instant::now() > deadline {
                return Err(SwitchError::new(
                    "The other button",
                    "it sent its number before it could be killed; press again".to_owned(),
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn limit(&self) -> std::sync::MutexGuard<'_, PressLimit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
