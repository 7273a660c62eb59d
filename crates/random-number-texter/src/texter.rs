//! The texter: accepts events, texts each of them once, and reports what became of the text.
//!
//! It owns the ledger, the client of Twilio's API and the tasks that give texts to Twilio. Such a
//! task continues when the webhook's sender hangs up, and [`Texter::shutdown`] waits for it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;
use url::Url;
use uuid::Uuid;

use crate::{
    config::{Config, below},
    event::Draw,
    flights::{Boarding, Flights},
    ledger::{Ledger, LedgerError, NewText},
    number::PhoneNumber,
    outcome::Outcome,
    signature::{StatusCheck, WebhookCheck},
    text::Text,
    times::{Clock, TimeLimits},
    twilio::Twilio,
};

/// How many changes a slow follower of a journey may lag behind before it reads the ledger again.
const CHANGES_KEPT: usize = 256;
/// Maximum number of journeys followed at once; each holds a connection.
const FOLLOWERS_MAX: usize = 128;

/// The texter can't start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store can't be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An HTTP client can't be made, because of this machine's certificates.
    #[error("can't make an HTTP client for Twilio's API: {0}")]
    Client(#[from] reqwest::Error),
}

/// A running texter; cheap to clone.
#[derive(Clone)]
pub struct Texter(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) ledger: Ledger,
    pub(crate) twilio: Twilio,
    pub(crate) callbacks: Option<Callbacks>,
    pub(crate) webhooks: Option<WebhookCheck>,
    pub(crate) to: PhoneNumber,
    pub(crate) daily_limit: u32,
    pub(crate) pages: serve::Pages,
    pub(crate) times: TimeLimits,
    pub(crate) changes: broadcast::Sender<Arc<Text>>,
    pub(crate) followers: Arc<Semaphore>,
    pub(crate) stopping: CancellationToken,
    /// Whether no real account is used.
    pub(crate) is_pretend: bool,
    /// Wakes the server when it should be down for a while.
    pub(crate) down: Notify,
    clock: Clock,
    flights: Flights,
    tasks: TaskTracker,
}

/// Where Twilio sends its reports, and how they are verified.
pub(crate) struct Callbacks {
    base: Url,
    pub(crate) check: StatusCheck,
}

impl Callbacks {
    /// The URL for reports on the text named `id`.
    pub(crate) fn url(&self, id: &str) -> String {
        below(&self.base, &format!("status/{id}"))
    }
}

impl Texter {
    /// Opens the store and begins to settle the texts that an earlier run left in doubt. Twilio is
    /// asked to report to `callback_base` ([`Config::callback_base`]), if there is one.
    ///
    /// # Errors
    /// [`OpenError`]: stop the program; the error says what to correct.
    pub async fn open(
        config: Config,
        callback_base: Option<Url>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let is_pretend = config.has_pretend_account();
        let twilio = Twilio::new(
            config.account.clone(),
            config.from,
            config.to.clone(),
            config.times.clone(),
        )?;
        let token = config.account.token;
        let ledger = Ledger::open(config.store).await?;
        let unsettled = ledger.left_in_doubt().await?;
        let texter = Self(Arc::new(Parts {
            ledger,
            twilio,
            callbacks: callback_base.map(|base| Callbacks {
                check: StatusCheck::new(token, &base),
                base,
            }),
            webhooks: config.webhooks,
            to: config.to,
            daily_limit: config.daily_limit,
            pages: config.pages,
            times: config.times,
            changes: broadcast::Sender::new(CHANGES_KEPT),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            stopping: CancellationToken::new(),
            is_pretend,
            down: Notify::new(),
            clock,
            flights: Flights::default(),
            tasks: TaskTracker::new(),
        }));
        texter.settle(unsettled);
        Ok(texter)
    }

    /// Ends live streams and refuses new texts; texts that are being sent continue. Call this when
    /// the server begins to stop.
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// Waits for the texts that are being sent, within the time limits of Twilio's answers, and
    /// closes the store.
    pub async fn shutdown(self) {
        self.stop();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.ledger.close().await;
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// Texts a number, or waits for the outcome of another copy of its event that is being texted.
    pub(crate) async fn text(&self, draw: Draw) -> Outcome {
        if self.0.stopping.is_cancelled() {
            return Outcome::try_again("the texter is stopping");
        }
        // Version 4: one status callback's URL must not be guessable from another's.
        let id = Uuid::new_v4().simple().to_string();
        let key = draw.id.clone().unwrap_or_else(|| id.clone());
        let mut landing = match self.0.flights.board(&key) {
            Boarding::First(flight, landing) => {
                let parts = Arc::clone(&self.0);
                let new = NewText {
                    id,
                    body: draw.text(),
                    event_id: draw.id,
                };
                // In the log, the text belongs to the request that carried it.
                let work = async move { flight.land(parts.text_once(new).await) };
                self.0.tasks.spawn(work.in_current_span());
                landing
            }
            Boarding::Later(landing) => landing,
            Boarding::Full => return Outcome::try_again("too many texts are being sent"),
        };
        let landed = landing.wait_for(Option::is_some);
        match tokio::time::timeout(self.0.times.answer, landed).await {
            Ok(Ok(outcome)) => outcome
                .clone()
                .unwrap_or_else(|| Outcome::try_again("the text is being sent")),
            Ok(Err(_)) => Outcome::try_again("the text was interrupted"),
            Err(_) => Outcome::try_again("the text is still being sent"),
        }
    }

    /// Looks up, in the background, what became of texts that an earlier run left in doubt.
    fn settle(&self, texts: Vec<Text>) {
        if texts.is_empty() {
            return;
        }
        let texter = self.clone();
        self.0.tasks.spawn(async move {
            for text in texts {
                if texter.0.stopping.is_cancelled() {
                    return;
                }
                let key = text.event_id.as_ref().unwrap_or(&text.id);
                // A copy of the event that arrived meanwhile has settled it, or is about to.
                if let Boarding::First(flight, _) = texter.0.flights.board(key) {
                    flight.land(texter.0.settle_left(&text.id).await);
                }
            }
        });
    }
}

impl Parts {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Notifies the followers of the journey.
    pub(crate) fn announce(&self, text: &Text) {
        // No receiver: there are no followers.
        let _ = self.changes.send(Arc::new(text.clone()));
    }
}
