//! The sender: one HTTP/1.1 request for each attempt, freshly signed, within one deadline.
//!
//! It follows no redirects, uses no proxy from the environment, decodes nothing, and reads at most
//! [`RESPONSE_BYTES_MAX`](crate::RESPONSE_BYTES_MAX) of the response body. `request` builds what is sent, `dial`
//! and `connection` are the transport, `pool` keeps connections, `exchange` makes the request, and `outcome` and
//! `machine` determine whose failure it was.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod exchange;
pub(crate) mod machine;
pub(crate) mod observed;
pub(crate) mod outcome;
pub(crate) mod pool;
pub(crate) mod request;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::Instrument;
use url::Url;

use crate::{
    address::{
        lookup::Resolve,
        names::{LookupLimits, Names},
        policy::AddressPolicy,
    },
    attempt::Failure,
    clock::Timeline,
    model::{delivery::StoredEvent, endpoint::EndpointRecord, outcome::AttemptRecord},
    outgoing::{OutgoingRequest, Watcher},
    retry::retry_after,
};
use connection::{Connection, Peer, Transport};
use dial::Dialler;
use exchange::{Answer, Deadline, exchange};
use machine::wait_for;
use outcome::{SendError, of_exchange};
use pool::Pool;
use request::{Request, origin};

pub(crate) use machine::{MachineError, MachineLog};

/// The default time limit from the start of connecting to the end of the response headers; Standard Webhooks
/// recommends 15 to 30 s.
pub const TIME_LIMIT_DEFAULT: Duration = Duration::from_secs(15);
/// The default for the most connections, including idle ones: as many as there can be requests in flight.
pub const CONNECTIONS_MAX_DEFAULT: usize = 1_024;
/// Unless set otherwise, connections take at most one in this many of the files that the process may open. The
/// rest is left to the application.
pub const CONNECTIONS_SHARE_OF_FILES: usize = 2;
/// There is one simultaneous name lookup for this many connections.
const CONNECTIONS_PER_LOOKUP: usize = 8;
/// The time that one name lookup may take, and the share of the time limit that it may take at most.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);
const LOOKUP_SHARE_OF_TIME: u32 = 3;

/// Makes attempts.
pub(crate) struct Sender {
    dialler: Dialler,
    pool: Arc<Pool>,
    connections_max: usize,
    time_limit: Duration,
    watcher: Option<Watcher>,
    pub(crate) machine: MachineLog,
}

/// The settings of a sender.
pub(crate) struct SenderSettings {
    pub(crate) policy: AddressPolicy,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) time_limit: Duration,
    /// The maximum number of connections; `None`: as many as the limit of open files suggests.
    pub(crate) connections: Option<usize>,
    /// Receives every request just before it goes out.
    pub(crate) watcher: Option<Watcher>,
}

/// The outcome of one attempt.
pub(crate) struct Response {
    pub(crate) record: AttemptRecord,
    /// What `Retry-After` asked for.
    pub(crate) retry_after: Option<Duration>,
}

impl Sender {
    pub(crate) fn new(settings: SenderSettings) -> Result<Self, rustls::Error> {
        let connections = settings
            .connections
            .unwrap_or_else(connections_default)
            .max(1);
        let limits = LookupLimits {
            lookups: connections.div_ceil(CONNECTIONS_PER_LOOKUP),
            time: LOOKUP_LIMIT.min(settings.time_limit / LOOKUP_SHARE_OF_TIME),
        };
        let names = Names::new(settings.policy, settings.resolver, limits);
        Ok(Self {
            dialler: Dialler::new(names)?,
            pool: Arc::new(Pool::new(connections)),
            connections_max: connections,
            time_limit: settings.time_limit,
            watcher: settings.watcher,
            machine: MachineLog::default(),
        })
    }

    pub(crate) fn policy(&self) -> &AddressPolicy {
        self.dialler.names().policy()
    }

    /// The maximum number of connections, including idle ones.
    pub(crate) fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Makes one attempt, in a span of its own.
    ///
    /// # Errors
    /// This machine could not make it: nothing was attempted.
    pub(crate) async fn attempt(
        &self,
        endpoint: &EndpointRecord,
        event: &StoredEvent,
        timeline: &Timeline,
    ) -> Result<Response, MachineError> {
        let span = observed::span(endpoint, event);
        let making = self.make(endpoint, event, timeline);
        let response = making.instrument(span.clone()).await?;
        observed::tell(&span, endpoint, event, &response.record);
        Ok(response)
    }

    async fn make(
        &self,
        endpoint: &EndpointRecord,
        event: &StoredEvent,
        timeline: &Timeline,
    ) -> Result<Response, MachineError> {
        let at = timeline.now();
        let started = Instant::now();
        let request = || {
            let request = request::build(endpoint, event, timeline)?;
            if let Some(watch) = &self.watcher {
                watch(OutgoingRequest {
                    url: &endpoint.url,
                    event_id: &event.id,
                    headers: request.headers(),
                    body: &event.body,
                });
            }
            Ok(request)
        };
        let answered = match self.over_kept(endpoint, request).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => self.over_fresh(endpoint, request).await,
            Err(error) => Err(error),
        };
        let outcome = match answered {
            Ok(answer) => Ok(answer),
            Err(SendError::Receiver(failure)) => Err(failure),
            Err(SendError::Machine(error)) => return Err(error),
        };
        let mut record = AttemptRecord {
            at,
            duration: started.elapsed(),
            status: None,
            failure: None,
            headers: String::new(),
            body_head: Vec::new(),
            body_cut: None,
        };
        let mut wait = None;
        match outcome {
            Ok(answer) => {
                record.status = Some(answer.status);
                record.headers = answer.headers;
                record.body_head = answer.body_head;
                record.body_cut = answer.body_cut;
                if !(200..300).contains(&answer.status) {
                    record.failure = Some(Failure::Status(answer.status));
                    let asked = answer.retry_after;
                    wait = asked.and_then(|asked| retry_after(&asked, timeline.wall()));
                }
            }
            Err(failure) => record.failure = Some(failure),
        }
        Ok(Response {
            record,
            retry_after: wait,
        })
    }

    /// Makes the request on an idle connection. Returns `None` if there is none, or if the connection was closed
    /// before anything came back: that is not the receiver's failure.
    async fn over_kept(
        &self,
        endpoint: &EndpointRecord,
        request: impl Fn() -> Result<Request, Failure>,
    ) -> Result<Option<Answer>, SendError> {
        let judged = self.policy().judge(&endpoint.url);
        judged.map_err(|refusal| Failure::Address(refusal.for_operators().to_string()))?;
        let Some(connection) = self.kept(origin(&endpoint.url)).await else {
            return Ok(None);
        };
        let deadline = Deadline::after(self.time_limit);
        match exchange(&self.pool, connection, request()?, deadline).await {
            Ok(answer) => Ok(Some(answer)),
            Err(unanswered) if unanswered.in_silence => Ok(None),
            Err(unanswered) => Err(unanswered.error),
        }
    }

    async fn kept(&self, origin: &str) -> Option<Connection> {
        loop {
            let mut connection = self.pool.take(origin)?;
            if connection.is_ready().await {
                return Some(connection);
            }
        }
    }

    async fn over_fresh(
        &self,
        endpoint: &EndpointRecord,
        request: impl Fn() -> Result<Request, Failure>,
    ) -> Result<Answer, SendError> {
        let url = &endpoint.url;
        // The lookup has a limit of its own and comes before the place, so that slow lookups do not hold places.
        let addresses = self.dialler.addresses(&endpoint.customer, url).await?;
        let place = self.pool.place().await;
        // Waiting for other lookups and connections does not count towards this receiver's time.
        let deadline = Deadline::after(self.time_limit);
        let connecting = wait_for(&addresses, deadline.at, self.connect(url, &addresses));
        let (address, transport) = connecting
            .await
            .map_err(|lost| lost.map_or_else(|| deadline.failure().into(), SendError::from))??;
        let origin = origin(url).into();
        let connection = Connection::new(Peer { origin, address }, transport, place).await;
        let connection = connection.map_err(|error| of_exchange(&error))?;
        let answer = exchange(&self.pool, connection, request()?, deadline).await;
        answer.map_err(|unanswered| unanswered.error)
    }

    /// Connects. If the process has no file left to open, an idle connection is closed first.
    async fn connect(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
    ) -> Result<(SocketAddr, Transport), SendError> {
        match self.dialler.connect(url, addresses).await {
            Err(SendError::Machine(MachineError::Files(_))) if self.pool.close_oldest() => {
                self.dialler.connect(url, addresses).await
            }
            connected => connected,
        }
    }
}

/// The number of connections that the process's limit of open files suggests.
fn connections_default() -> usize {
    let share = machine::files_max()
        .and_then(|files| usize::try_from(files).ok())
        .map_or(CONNECTIONS_MAX_DEFAULT, |files| {
            files / CONNECTIONS_SHARE_OF_FILES
        });
    share.min(CONNECTIONS_MAX_DEFAULT)
}
