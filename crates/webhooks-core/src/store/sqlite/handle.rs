//! The engine's handle to its store: every query is a method here, which reads on a connection of its
//! own, so that it never waits for the writer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;

use super::{
    act::Act,
    backup,
    endpoints::{self, find},
    error::store_error,
    listing, outbox_table,
    read::{self, Reading},
    replay, schema, secrets,
};
use crate::{
    clock::Timeline,
    delivery::{Delivery, Explanation},
    endpoint::{SecretInfo, settings::EndpointSettings},
    event::EventRecord,
    model::{
        delivery::DeliveryOf,
        endpoint::{EndpointOf, EndpointRecord},
        outbox_rows::RefusedRow,
        page::{DeliveryPage, PageOf},
        replay::{Look, Replay},
    },
    store::{
        ask::Ask, backup_error::BackupError, endpoint_error::EndpointError,
        endpoint_row::EndpointReader, error::StoreError, queue::WriterQueue, readers::Readers,
        reply::Reply,
    },
};

/// Reads that may run at once.
const READERS_MAX: usize = 4;

/// A store that is open.
pub(crate) struct Handle {
    /// `None` for a database in memory: it has one connection, the writer's.
    file: Option<PathBuf>,
    readers: Arc<Readers<Connection>>,
    endpoints: EndpointReader,
    timeline: Arc<Timeline>,
    queue: Arc<WriterQueue>,
}

impl Handle {
    pub(super) fn new(
        file: Option<PathBuf>,
        endpoints: EndpointReader,
        timeline: Arc<Timeline>,
        queue: Arc<WriterQueue>,
    ) -> Self {
        Self {
            file,
            readers: Readers::new(READERS_MAX),
            endpoints,
            timeline,
            queue,
        }
    }

    /// Answers a query from a single snapshot of the database, away from the async threads.
    async fn read<T: Send + 'static, E: From<StoreError> + Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Reading<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let handle = Arc::clone(self);
        let Some(file) = self.file.clone() else {
            let asked = self.queue.ask(|reply: Reply<T, E>| {
                Ask::Sqlite(Act::answering(reply, move |tx| {
                    work(&handle.reading(tx.connection))
                }))
            });
            return asked.await;
        };
        let open = || async {
            let opened = tokio::task::spawn_blocking(move || schema::open_reader(&file)).await;
            let opened = opened.map_err(|_| StoreError::Closed)?;
            opened.map_err(store_error)
        };
        let (connection, place) = self.readers.lend(open).await?;
        let read = tokio::task::spawn_blocking(move || {
            // Otherwise a delivery that is made meanwhile is no longer pending, and has no attempt yet.
            let result = match connection.unchecked_transaction() {
                Ok(snapshot) => work(&handle.reading(&snapshot)),
                Err(error) => Err(store_error(error).into()),
            };
            place.give_back(connection);
            result
        });
        read.await
            .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    fn reading<'a>(&'a self, connection: &'a Connection) -> Reading<'a> {
        Reading {
            connection,
            timeline: &self.timeline,
            endpoints: &self.endpoints,
        }
    }

    /// Closes the connections that are not reading. None is kept: the last one to close removes the write-ahead log.
    pub(crate) fn close(&self) {
        self.readers.close();
    }

    /// Copies the database as it is at this moment to a new file.
    pub(crate) async fn backup(&self, path: &Path) -> Result<(), BackupError> {
        let database = self.file.clone().ok_or(BackupError::InMemory)?;
        let copy = path.to_owned();
        let copied = tokio::task::spawn_blocking(move || backup::make(&database, &copy));
        copied.await.unwrap_or_else(|error| {
            Err(BackupError::Io {
                path: path.display().to_string(),
                source: std::io::Error::other(error),
            })
        })
    }

    /// An event with its body.
    pub(crate) async fn event(
        self: &Arc<Self>,
        customer: &str,
        event_id: &str,
    ) -> Result<Option<EventRecord>, StoreError> {
        let (customer, event_id) = (customer.to_owned(), event_id.to_owned());
        self.read(move |reading| read::event_record(reading, &customer, &event_id))
            .await
    }

    /// Every delivery of an event, in the order its endpoints were added.
    pub(crate) async fn deliveries(
        self: &Arc<Self>,
        customer: &str,
        event_id: &str,
    ) -> Result<Vec<Delivery>, StoreError> {
        let (customer, event_id) = (customer.to_owned(), event_id.to_owned());
        self.read(move |reading| read::deliveries_of_event(reading, &customer, &event_id))
            .await
    }

    /// Why an event did not arrive at an endpoint, or that it did.
    pub(crate) async fn explain(
        self: &Arc<Self>,
        of: DeliveryOf,
    ) -> Result<Explanation, StoreError> {
        self.read(move |reading| read::explain(reading, &of)).await
    }

    /// How many deliveries are stored and not done.
    pub(crate) async fn pending(self: &Arc<Self>) -> Result<u64, StoreError> {
        self.read(|reading| read::count_pending(reading.connection))
            .await
    }

    /// How many deliveries have not been tried.
    pub(crate) async fn untried(self: &Arc<Self>) -> Result<u64, StoreError> {
        self.read(|reading| read::count_untried(reading.connection))
            .await
    }

    /// What the gauges show.
    #[cfg(feature = "metrics")]
    pub(crate) async fn gauges(
        self: &Arc<Self>,
    ) -> Result<crate::model::gauges::Gauges, StoreError> {
        self.read(|reading| super::gauges::read(reading.connection))
            .await
    }

    /// A customer's endpoints, in the order they were added.
    pub(crate) async fn endpoints(
        self: &Arc<Self>,
        customer: &str,
    ) -> Result<Vec<EndpointRecord>, EndpointError> {
        let customer = customer.to_owned();
        self.read(move |reading| Ok(read::endpoints_of(reading, &customer)?))
            .await
    }

    /// One endpoint.
    pub(crate) async fn endpoint(
        self: &Arc<Self>,
        of: EndpointOf,
    ) -> Result<EndpointRecord, EndpointError> {
        self.read(move |reading| {
            let key = find(reading.connection, &of)?;
            let reader = reading.endpoints;
            let found = endpoints::read(reader, reading.connection, "key = ?1", [key])?.pop();
            Ok(found.ok_or(StoreError::Gone)?)
        })
        .await
    }

    /// The settings of an endpoint.
    pub(crate) async fn settings(
        self: &Arc<Self>,
        of: EndpointOf,
    ) -> Result<EndpointSettings, EndpointError> {
        self.read(move |reading| {
            let key = find(reading.connection, &of)?;
            let stored = endpoints::stored(reading.endpoints, reading.connection, key)?;
            let settings = stored.settings.to_public();
            Ok(settings
                .map_err(|what| StoreError::Damaged(what.to_owned()).of_endpoint(of.id.as_str()))?)
        })
        .await
    }

    /// The secrets of an endpoint that sign now, the newest first.
    pub(crate) async fn secrets(
        self: &Arc<Self>,
        of: EndpointOf,
    ) -> Result<Vec<SecretInfo>, EndpointError> {
        self.read(move |reading| secrets::list(reading, &of)).await
    }

    /// A page of an endpoint's deliveries.
    pub(crate) async fn page(
        self: &Arc<Self>,
        endpoint: EndpointRecord,
        page: PageOf,
    ) -> Result<DeliveryPage, StoreError> {
        self.read(move |reading| listing::page(reading, &endpoint, page))
            .await
    }

    /// One step of a replay's scan of the events, starting at `from`.
    pub(crate) async fn look(
        self: &Arc<Self>,
        endpoint: &Arc<EndpointRecord>,
        replay: Replay,
        from: Option<i64>,
    ) -> Result<Look, StoreError> {
        let endpoint = Arc::clone(endpoint);
        self.read(move |reading| replay::look(reading, &endpoint, &replay, from))
            .await
    }

    /// The refused rows of the outbox table after `after`, in the order of their ids.
    pub(crate) async fn refused_rows(
        self: &Arc<Self>,
        after: i64,
    ) -> Result<Vec<RefusedRow>, StoreError> {
        self.read(move |reading| outbox_table::refused_rows(reading.connection, after))
            .await
    }
}
