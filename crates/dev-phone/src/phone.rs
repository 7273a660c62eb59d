//! The phone itself: its account, its texts, its switches, and what moves texts forward.
//! The API and the page are two views of it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    account::Account,
    call_url::CallUrl,
    caller::{Answer as CallAnswer, CallError, Caller},
    clock::{Clock, Ids},
    draft::Draft,
    exchange::Exchange,
    inbox::{Change, Inbox, TEXTS_KEPT},
    keep::{KeepError, KeepFile},
    message::{Direction, Message, MessageSid, Note, Status},
    pace::Pace,
    refusal::Refusal,
    segments::segments,
    switches::{Answer, DeliveryError, Switches},
};

/// The text that a trial account puts before every body.
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";

/// Maximum number of texts under way; any more are refused with Twilio's own "queue is full".
const TEXTS_UNDER_WAY: usize = 1000;

/// Maximum number of pages that watch live; each holds a connection open.
const PAGES_WATCHING: usize = 64;

/// How a phone is set up. `Config::default()` is the development account at a human pace.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may call the API, and the numbers.
    pub account: Account,
    /// Where texts written on the page go.
    pub reply_url: Option<CallUrl>,
    /// Names, besides localhost and IP addresses, under which the phone is reached.
    pub names: Vec<String>,
    /// The file that keeps texts across a restart.
    pub keep: Option<PathBuf>,
    /// Whether every body begins with a trial account's prefix.
    pub trial: bool,
    /// The pages of programs that run together with this one.
    pub pages: serve::Pages,
    /// How fast texts go from queued to delivered.
    pub pace: Pace,
    /// The time zone of the page.
    pub time_zone: TimeZone,
    /// The source of time.
    pub clock: Clock,
    /// The source of ids.
    pub ids: Ids,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            account: Account::development(),
            reply_url: None,
            names: Vec::new(),
            keep: None,
            trial: false,
            pages: serve::Pages::default(),
            pace: Pace::HUMAN,
            time_zone: TimeZone::UTC,
            clock: Clock::system(),
            ids: Ids::random(),
        }
    }
}

/// The phone cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file of kept texts cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// No client for callbacks: TLS cannot be set up on this machine.
    #[error("cannot make a client for callbacks: {0}")]
    Client(#[from] reqwest::Error),
}

/// A phone; clones are the same phone.
#[derive(Debug, Clone)]
pub struct Phone(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    inbox: Inbox,
    switches: Mutex<Switches>,
    caller: Caller,
    under_way: Arc<Semaphore>,
    watching: Arc<Semaphore>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Phone {
    /// Makes a phone, and returns the kept texts that were under way.
    pub(crate) fn set_up(config: Config) -> Result<(Self, Vec<Message>), StartError> {
        let (keep, messages) = match &config.keep {
            Some(path) => {
                let (keep, messages) = KeepFile::open(path, TEXTS_KEPT)?;
                (Some(keep), messages)
            }
            None => (None, Vec::new()),
        };
        let unfinished: Vec<Message> = messages
            .iter()
            .filter(|message| !message.status.is_final())
            .cloned()
            .collect();
        let phone = Self(Arc::new(Inner {
            config,
            inbox: Inbox::new(messages, keep),
            switches: Mutex::new(Switches::default()),
            caller: Caller::new()?,
            under_way: Arc::new(Semaphore::new(TEXTS_UNDER_WAY)),
            watching: Arc::new(Semaphore::new(PAGES_WATCHING)),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        Ok((phone, unfinished))
    }

    /// The account that the phone serves.
    pub fn account(&self) -> &Account {
        &self.0.config.account
    }

    /// Every text the phone holds, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.0.inbox.messages()
    }

    /// The positions of the switches.
    pub fn switches(&self) -> Switches {
        self.switch_board().clone()
    }

    /// Sets every switch to the given position.
    pub fn set_switches(&self, switches: Switches) {
        *self.switch_board() = switches.clone();
        self.0.inbox.announce(Change::Switches(switches));
    }

    /// Waits until `condition` holds for the texts, oldest first; false if `limit` passes first.
    pub async fn wait_until(
        &self,
        limit: Duration,
        condition: impl Fn(&[Message]) -> bool,
    ) -> bool {
        let mut changes = self.0.inbox.changes();
        let waiting = async {
            while !condition(&self.messages()) {
                // Having missed some changes is also a reason to look again.
                if let Err(broadcast::error::RecvError::Closed) = changes.recv().await {
                    break;
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    /// Ends live pages and waiting texts, and waits at most `grace` for callbacks in flight.
    pub async fn shutdown(&self, grace: Duration) {
        self.0.stop.cancel();
        self.0.tracker.close();
        if tokio::time::timeout(grace, self.0.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("callbacks were still in flight when the grace period ended");
        }
    }

    pub(crate) fn pages(&self) -> &serve::Pages {
        &self.0.config.pages
    }

    pub(crate) fn reply_url(&self) -> Option<&CallUrl> {
        self.0.config.reply_url.as_ref()
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0.config.names
    }

    pub(crate) fn time_zone(&self) -> &TimeZone {
        &self.0.config.time_zone
    }

    pub(crate) fn pace(&self) -> Pace {
        self.0.config.pace
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.config.clock.now()
    }

    /// Resolves when the phone is being shut down.
    pub(crate) async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Waits; false if the phone is shut down meanwhile.
    pub(crate) async fn rest(&self, time: Duration) -> bool {
        if time.is_zero() {
            return !self.0.stop.is_cancelled();
        }
        tokio::select! {
            () = self.0.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.0.inbox
    }

    /// A place for a live page, if one is left.
    pub(crate) fn watch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.watching).try_acquire_owned().ok()
    }

    /// The switches' answer to the next request to send; counts the request.
    pub(crate) fn take_answer(&self) -> Answer {
        let mut switches = self.switch_board();
        let before = switches.clone();
        let answer = switches.take_answer();
        if *switches != before {
            self.0.inbox.announce(Change::Switches(switches.clone()));
        }
        answer
    }

    /// A new text that is not yet on the phone.
    pub(crate) fn message(&self, direction: Direction, status: Status, draft: Draft) -> Message {
        let body = if self.0.config.trial && direction != Direction::Inbound {
            format!("{TRIAL_PREFIX}{}", draft.body)
        } else {
            draft.body
        };
        let now = self.now();
        Message {
            serial: 0,
            sid: MessageSid::new(self.0.config.ids.next()),
            direction,
            from: draft.from,
            to: draft.to,
            segments: segments(&body).1,
            body,
            status,
            error: None,
            media: draft.media,
            messaging_service_sid: draft.messaging_service_sid,
            created_at: now,
            updated_at: now,
            sent_at: None,
            due_at: draft.due_at,
            callback_url: draft.callback_url,
            note: None,
        }
    }

    pub(crate) fn insert(&self, message: Message) -> Message {
        self.0.inbox.insert(message)
    }

    /// Moves a text to its next state, if it is still in the state `from`.
    pub(crate) fn advance(
        &self,
        sid: &MessageSid,
        from: Status,
        to: Status,
        error: Option<DeliveryError>,
    ) -> Option<Message> {
        let sender = self.account().from.as_str();
        self.0
            .inbox
            .advance(sid, from, to, error, sender, self.now())
    }

    pub(crate) fn set_note(&self, sid: &MessageSid, note: &Note) -> Option<Message> {
        self.0
            .inbox
            .update(sid.as_str(), self.now(), |message| {
                message.note = Some(note.clone());
                true
            })?
            .ok()
    }

    pub(crate) fn note(&self, exchange: Exchange) {
        self.0.inbox.note(exchange);
    }

    /// Posts a signed form to a program.
    pub(crate) async fn call(
        &self,
        url: &CallUrl,
        form: &[(String, String)],
    ) -> Result<CallAnswer, CallError> {
        self.0.caller.post(url, &self.account().token, form).await
    }

    /// A place among the texts under way.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.0.under_way)
            .try_acquire_owned()
            .map_err(|_| Refusal::QueueFull)
    }

    /// Runs a task to its end; [`shutdown`](Self::shutdown) waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tracker.spawn(work);
    }

    fn switch_board(&self) -> MutexGuard<'_, Switches> {
        self.0
            .switches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
