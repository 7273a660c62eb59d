//! What a running polis's two listeners share.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use serve::wire::Reception;
use url::Url;

use crate::{
    capture::limits::CaptureLimits,
    config::Settings,
    outbound::Outbound,
    record::{Answer, Record},
    redact::Redactor,
    scope::{DEFAULT, Scopes},
    sent_again::{Replays, SentAgain},
    store::{Fallen, Store, StoreError},
    terminal::Terminal,
};

/// All bodies that are being received may together take this many times the limit of one.
const BODIES_IN_RECEPTION: usize = 16;

/// Why polis did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken.
    #[error(transparent)]
    Bind(#[from] serve::BindError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system did not report a port, or did not start a thread.
    #[error("polis cannot start: {0}")]
    Io(#[from] std::io::Error),
}

/// What the capture listener, the API and the page share.
#[derive(Debug)]
pub(crate) struct Polis {
    pub(crate) store: Store,
    pub(crate) scopes: Scopes,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) limits: CaptureLimits,
    pub(crate) reception: Reception,
    pub(crate) outbound: Outbound,
    /// Where replays may go besides this machine.
    pub(crate) replay_to: Vec<Url>,
    /// Where senders reach polis, if that is not where it listens.
    pub(crate) public_url: Option<String>,
    /// The pages of programs that run together with this one.
    pub(crate) pages: serve::Pages,
    /// What has been sent again since the start.
    pub(crate) replays: Replays,
    /// Distinguishes this run's changes from those of an earlier run.
    pub(crate) run: String,
    /// Where requests are captured, once that is known.
    capture: OnceLock<SocketAddr>,
    terminal: Option<Terminal>,
    /// What had been dropped when it was last reported.
    said: Mutex<Fallen>,
}

impl Polis {
    /// Sets polis up without listening.
    pub(crate) fn new(settings: Settings) -> Result<Self, StartError> {
        let redactor = Arc::new(Redactor::default());
        let store = match &settings.store {
            Some(path) => Store::open(settings.keep, path)?,
            None => Store::in_memory(settings.keep),
        };
        let output = settings.output;
        let terminal = output.map(|output| Terminal::start(output, Arc::clone(&redactor)));
        let polis = Self {
            store,
            scopes: Scopes::new(settings.default_scope, settings.scopes),
            redactor,
            limits: CaptureLimits::new(&settings.limits, settings.body_limit),
            reception: Reception::new(settings.body_limit.saturating_mul(BODIES_IN_RECEPTION)),
            outbound: Outbound::new(settings.body_limit),
            replay_to: settings.replay_to,
            public_url: settings.public_url,
            pages: settings.pages,
            replays: Replays::default(),
            run: uuid::Uuid::new_v4().simple().to_string(),
            capture: OnceLock::new(),
            terminal,
            said: Mutex::new(Fallen::default()),
        };
        polis.remember_attempts();
        polis.learn_secrets();
        Ok(polis)
    }

    /// Continues counting attempts after a restart.
    fn remember_attempts(&self) {
        for record in self.store.newest_first().iter().rev() {
            if let (Some(head), Some(scope)) =
                (&record.head, self.scopes.find_or_add(&record.scope))
            {
                scope.count(head, &record.body, record.received_at);
            }
        }
        for scope in self.scopes.all() {
            scope.begin_anew();
        }
    }

    /// Tells the redactor which secrets there are; call it when a scope changes.
    pub(crate) fn learn_secrets(&self) {
        let mut secrets = Vec::new();
        for scope in self.scopes.all() {
            let settings = scope.settings();
            if let Some(verification) = &settings.verification {
                let all = verification.secrets.iter().chain(&verification.old_secrets);
                secrets.extend(all.map(|secret| secret.expose().to_owned()));
            }
        }
        self.redactor.know(secrets);
    }

    /// Keeps a request and logs it, before anything else happens to it.
    pub(crate) async fn arrived(&self, record: &Arc<Record>, scope_capacity: Option<usize>) {
        if let Some(terminal) = &self.terminal {
            terminal.arrived(record);
        }
        self.store.insert(record, scope_capacity).await;
        self.say_what_fell_out();
    }

    /// Keeps the answer with its request and logs it.
    pub(crate) async fn answered(&self, record: &Arc<Record>, answer: Answer) {
        self.store.answered(record, answer).await;
        if let Some(terminal) = &self.terminal {
            terminal.answered(record);
        }
    }

    /// Lists what was sent again under its request, also on open pages.
    pub(crate) fn sent_again(&self, id: u64, sent: SentAgain) {
        self.replays.add(id, sent);
        self.store.sent_again(id);
    }

    /// Reports it the first time, and then whenever the number has doubled.
    fn say_what_fell_out(&self) {
        let Some(terminal) = &self.terminal else {
            return;
        };
        let fallen = self.store.fallen();
        let mut said = self.said.lock();
        if fallen.requests > 0 && fallen.requests >= said.requests * 2 {
            *said = fallen;
            terminal.say(&format!(
                "{} of the oldest requests ({} bytes) were dropped so far to make room; --keep-requests and --keep-bytes keep more",
                fallen.requests, fallen.bytes
            ));
        }
    }

    /// Sets where it captures; called once, before the first request.
    pub(crate) fn captures_at(&self, address: SocketAddr) {
        // A second address would mean a second run.
        let _ = self.capture.set(address);
    }

    /// Writes what is still unwritten.
    pub(crate) async fn finish(&self) {
        self.store.flush().await;
        if let Some(terminal) = &self.terminal {
            terminal.finish();
        }
    }

    /// Where requests are captured, once that is known.
    pub(crate) fn capture_address(&self) -> Option<SocketAddr> {
        self.capture.get().copied()
    }

    /// Where senders reach a scope: its own URL, else that of polis, else where it listens.
    pub(crate) fn scope_url(&self, scope: &str) -> String {
        let settings = self.scopes.find(scope).map(|scope| scope.settings());
        let own = settings.and_then(|settings| settings.verification.as_ref()?.public_url.clone());
        let public = self.public_url.clone();
        let base = public.unwrap_or_else(|| self.capture_url());
        let url = match scope {
            DEFAULT => own.unwrap_or(base),
            name => own.unwrap_or_else(|| format!("{}/in/{name}", base.trim_end_matches('/'))),
        };
        url.trim_end_matches('/').to_owned()
    }

    /// The URL that senders on this machine use.
    pub(crate) fn capture_url(&self) -> String {
        match self.capture.get() {
            Some(address) if address.ip().is_unspecified() => {
                format!("http://localhost:{}", address.port())
            }
            Some(address) => format!("http://{address}"),
            None => "http://localhost:9000".to_owned(),
        }
    }
}
