//! The public face: [`Webhooks`].

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tracing::Instrument;

#[cfg(feature = "postgres")]
use crate::store::busy::while_busy;
use crate::{
    activity::ActivityStream,
    delivery::{Delivery, Explanation},
    endpoint::EndpointId,
    engine::Shared,
    event::{Event, EventRecord, PreparedEvent, check_customer},
    model::{delivery::DeliveryOf, endpoint::EndpointOf},
    send::{SendError, SendReceipt, prepare_all},
    store::{
        Store,
        ask::Ask,
        error::StoreError,
        opened::{Lock, Watch},
        queue::WriterQueue,
    },
};

/// An engine that stores events and delivers them to their customers' endpoints.
///
/// Cheap to clone; all clones are the same engine. When the last one is dropped, the engine stops as if the
/// process had ended: nothing is lost, and the next [`Webhooks::open`] carries on from there.
#[derive(Clone)]
pub struct Webhooks {
    engine: Arc<Engine>,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks")
            .field("held", &self.engine.shared.memory.held())
            .finish_non_exhaustive()
    }
}

/// The threads of an engine; each is taken out once, by whoever waits for it to end.
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) writer: Option<std::thread::JoinHandle<()>>,
    pub(crate) watch: Option<Watch>,
}

impl Threads {
    /// Closes the queue, and waits until both have ended. The writer ends last: by then its connection is the only
    /// one left, so closing it removes the write-ahead log.
    fn join(self, queue: &WriterQueue) {
        if let Some(watch) = self.watch {
            watch.stop();
        }
        queue.close();
        if let Some(writer) = self.writer
            && writer.join().is_err()
        {
            tracing::error!("the writer thread panicked");
        }
    }
}

/// What the clones of one [`Webhooks`] share.
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<Store>,
    threads: Mutex<Threads>,
    lock: Mutex<Option<Lock>>,
    /// The report of the first shutdown.
    stopped: Mutex<Option<ShutdownReport>>,
}

impl Engine {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Arc<Store>,
        threads: Threads,
        lock: Option<Lock>,
    ) -> Self {
        Self {
            shared,
            store,
            threads: Mutex::new(threads),
            lock: Mutex::new(lock),
            stopped: Mutex::default(),
        }
    }

    fn take_threads(&self) -> Threads {
        let mut threads = self.threads.lock();
        std::mem::take(&mut *threads)
    }

    fn stopped(&self) -> MutexGuard<'_, Option<ShutdownReport>> {
        self.stopped.lock()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.stop();
        self.store.close();
        let threads = self.take_threads();
        let shared = Arc::clone(&self.shared);
        let lock = self.lock.lock().take();
        // The file stays locked until the writer has closed it, and a destructor must not wait for that.
        std::thread::spawn(move || {
            threads.join(&shared.queue);
            drop(lock);
        });
    }
}

/// What was still pending at shutdown; it is delivered after the next [`Webhooks::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownReport {
    /// Deliveries that are stored and not finished.
    pub deliveries: u64,
    /// Of these, requests that were cut off because the grace period was over. They are made again.
    pub cut_off: u64,
}

impl Webhooks {
    pub(crate) fn start(engine: Engine) -> Self {
        Self {
            engine: Arc::new(engine),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.engine.shared
    }

    /// Stores an event together with its deliveries to the customer's endpoints, and returns once they are on
    /// disk. Delivery continues in the background.
    ///
    /// # Errors
    /// Nothing was stored; [`SendError`] says why.
    pub async fn send(&self, customer: &str, event: Event) -> Result<SendReceipt, SendError> {
        let sent = self.store(customer, vec![event.prepare()?]).await?;
        sent.into_iter()
            .next()
            .ok_or(SendError::Store(StoreError::Closed))
    }

    /// Stores several events in one commit: all of them or none.
    ///
    /// # Errors
    /// Nothing was stored; the error names the first invalid event.
    pub async fn send_all(
        &self,
        customer: &str,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Vec<SendReceipt>, SendError> {
        let events = prepare_all(events)?;
        if events.is_empty() {
            return Ok(Vec::new());
        }
        self.store(customer, events).await
    }

    async fn store(
        &self,
        customer: &str,
        events: Vec<PreparedEvent>,
    ) -> Result<Vec<SendReceipt>, SendError> {
        check_customer(customer)?;
        let span = tracing::info_span!("webhooks.send", customer, events = events.len());
        let queue = &self.engine.shared.queue;
        #[cfg(feature = "postgres")]
        if matches!(*self.engine.store, Store::Postgres(_)) {
            return while_busy(|| queue.send(customer, events.clone()))
                .instrument(span)
                .await;
        }
        queue.send(customer, events).instrument(span).await
    }

    /// One event with its body; `None` when the customer has no such event, or it is no longer kept.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn event(
        &self,
        customer: &str,
        event_id: &str,
    ) -> Result<Option<EventRecord>, StoreError> {
        self.engine.store.event(customer, event_id).await
    }

    /// The deliveries of one event with their attempts, in the order its endpoints were added.
    /// Empty when the customer has no such event.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn deliveries(
        &self,
        customer: &str,
        event_id: &str,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.engine.store.deliveries(customer, event_id).await
    }

    /// Why an event did not arrive at an endpoint, or the record of its arrival.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn explain(
        &self,
        customer: &str,
        event_id: &str,
        endpoint_id: &EndpointId,
    ) -> Result<Explanation, StoreError> {
        let of = DeliveryOf {
            endpoint: EndpointOf {
                customer: customer.to_owned(),
                id: endpoint_id.clone(),
            },
            event_id: event_id.to_owned(),
        };
        self.engine.store.explain(of).await
    }

    /// A live stream of what happens from now on: what this engine does and, on Postgres, what every node on the
    /// database does. A reader that is too slow gets [`ActivityKind::Missed`] with the number of activities it
    /// missed; so does every reader when another node has more to report than it can send.
    ///
    /// Other nodes learn within two seconds that somebody is reading here. From then on they report, through the
    /// database, what they do about 0.1 s after its commit. They include only the first kilobyte each of a
    /// response's headers and body; [`Webhooks::explain`] and [`Endpoints::deliveries`] have all that is stored.
    /// Behind a pooler (`mode=pooled`) a node neither sends nor receives reports: its stream shows only its own
    /// activity.
    ///
    /// [`ActivityKind::Missed`]: crate::ActivityKind::Missed
    /// [`Endpoints::deliveries`]: crate::Endpoints::deliveries
    #[must_use]
    pub fn subscribe(&self) -> ActivityStream {
        self.engine.shared.audience.subscribe()
    }

    /// How many deliveries are pending, over all customers.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn pending(&self) -> Result<u64, StoreError> {
        self.engine.store.pending().await
    }

    /// Stops the engine: no further attempt is started, requests in flight may finish within `grace`, and their
    /// outcomes are stored. Every clone of this engine stops too. A second call returns the report of the first.
    /// To let first attempts be made before stopping, call [`Webhooks::flush`].
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let known = *self.engine.stopped();
        if let Some(report) = known {
            return report;
        }
        let shared = &self.engine.shared;
        shared.stop();
        let finished = tokio::time::timeout(grace, async {
            tokio::select! {
                biased;
                () = shared.let_go() => shared.tasks.wait().await,
                () = shared.tasks.wait() => {}
            }
        });
        let finished = finished.await.is_ok();
        let cut_off = if finished { 0 } else { shared.tasks.len() };
        let deliveries = self.pending_after_completions().await;
        self.engine.store.close();
        let threads = self.engine.take_threads();
        let stopped = Arc::clone(shared);
        let joined = tokio::task::spawn_blocking(move || threads.join(&stopped.queue)).await;
        if let Err(error) = joined {
            tracing::error!(%error, "could not wait for the engine's threads to end");
        }
        self.engine.lock.lock().take();
        let report = ShutdownReport {
            deliveries,
            cut_off: u64::try_from(cut_off).unwrap_or_default(),
        };
        *self.engine.stopped() = Some(report);
        tracing::info!(
            deliveries = report.deliveries,
            cut_off = report.cut_off,
            "stopped; pending deliveries are stored"
        );
        report
    }

    /// Counts on the writer thread, after every completion that was queued before.
    async fn pending_after_completions(&self) -> u64 {
        let counted: Result<u64, StoreError> = self.engine.shared.queue.ask(Ask::Stop).await;
        counted.unwrap_or_else(|error| {
            tracing::warn!(%error, "pending deliveries could not be counted");
            0
        })
    }
}
