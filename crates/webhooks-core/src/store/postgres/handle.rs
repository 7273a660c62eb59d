//! The engine's handle to its store: every query is a method here, answered on connections of its own,
//! so that it never waits for the writer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::PgConnection;

use super::{
    connection::Connector,
    endpoints::{self, Selection},
    listing,
    membership::Membership,
    nodes, outbox_table,
    read::{self, Reading},
    replay,
    row::Reader,
    secrets,
    session::Session,
};
use crate::{
    clock::Timeline,
    delivery::{Delivery, Explanation},
    endpoint::{SecretInfo, settings::EndpointSettings},
    event::EventRecord,
    model::{
        delivery::DeliveryOf,
        endpoint::{EndpointOf, EndpointRecord},
        node::Node,
        outbox_rows::RefusedRow,
        page::{DeliveryPage, PageOf},
        replay::{Look, Replay},
    },
    store::{
        endpoint_error::EndpointError, endpoint_row::EndpointReader, error::StoreError,
        readers::Readers,
    },
};

/// The wait between two checks whether others have heard of a change.
const HEARD_WAIT: Duration = Duration::from_millis(20);

/// Queries that may run at the same time: each has a connection.
const READERS_MAX: usize = 2;

/// A store that is open.
pub(crate) struct Handle {
    connector: Connector,
    readers: Arc<Readers<Session>>,
    endpoints: EndpointReader,
    timeline: Arc<Timeline>,
    membership: Arc<Membership>,
}

impl Handle {
    pub(super) fn new(
        connector: Connector,
        endpoints: EndpointReader,
        timeline: Arc<Timeline>,
        membership: Arc<Membership>,
    ) -> Self {
        Self {
            connector,
            readers: Readers::new(READERS_MAX),
            endpoints,
            timeline,
            membership,
        }
    }

    /// For statements on this schema, on a connection of an app.
    pub(super) fn on<'a>(&'a self, connection: &'a mut PgConnection) -> Reader<'a> {
        self.connector.reader(connection)
    }

    pub(super) fn timeline(&self) -> &Arc<Timeline> {
        &self.timeline
    }

    /// Answers a query from a single snapshot of the database. A connection that was lost while it was
    /// idle is replaced once.
    async fn read<T, E: From<StoreError>>(
        &self,
        work: impl AsyncFnOnce(&mut Reading<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let begin = format!(
            "{}; set transaction isolation level repeatable read, read only",
            self.connector.begin()
        );
        let lent = self.readers.lend(|| self.connector.connect());
        let (mut connection, place) = lent.await?;
        let begun = connection.execute(sqlx::AssertSqlSafe(begin.clone())).await;
        if begun.is_err() {
            drop(connection);
            connection = self.connector.connect().await?;
            connection.execute(sqlx::AssertSqlSafe(begin)).await?;
        }
        let answer = work(&mut Reading {
            reader: self.connector.reader(&mut connection),
            timeline: &self.timeline,
            endpoints: &self.endpoints,
        })
        .await;
        // If the caller goes away before this, the connection is dropped with it.
        if connection.execute("commit").await.is_ok() {
            place.give_back(connection);
        }
        answer
    }

    /// Closes the connections that are not reading.
    pub(crate) fn close(&self) {
        self.readers.close();
    }

    /// An event with its body.
    pub(crate) async fn event(
        &self,
        customer: &str,
        event_id: &str,
    ) -> Result<Option<EventRecord>, StoreError> {
        self.read(async |reading: &mut Reading<'_>| {
            read::event_record(reading, customer, event_id).await
        })
        .await
    }

    /// Every delivery of an event, in the order its endpoints were added.
    pub(crate) async fn deliveries(
        &self,
        customer: &str,
        event_id: &str,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(async |reading: &mut Reading<'_>| {
            read::deliveries_of_event(reading, customer, event_id).await
        })
        .await
    }

    /// Why an event did not arrive at an endpoint, or that it did.
    pub(crate) async fn explain(&self, of: DeliveryOf) -> Result<Explanation, StoreError> {
        self.read(async |reading: &mut Reading<'_>| read::explain(reading, &of).await)
            .await
    }

    /// How many deliveries are stored and not done.
    pub(crate) async fn pending(&self) -> Result<u64, StoreError> {
        self.read(async |reading: &mut Reading<'_>| read::count_pending(reading).await)
            .await
    }

    /// How many deliveries have not been tried.
    pub(crate) async fn untried(&self) -> Result<u64, StoreError> {
        self.read(async |reading: &mut Reading<'_>| read::count_untried(reading).await)
            .await
    }

    /// What the gauges show.
    #[cfg(feature = "metrics")]
    pub(crate) async fn gauges(&self) -> Result<crate::model::gauges::Gauges, StoreError> {
        self.read(async |reading: &mut Reading<'_>| super::gauges::read(reading).await)
            .await
    }

    /// The live nodes, and what each of them holds.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        let this = self.membership.node();
        self.read(async |reading: &mut Reading<'_>| nodes::read(reading, this).await)
            .await
    }

    /// A customer's endpoints, in the order they were added.
    pub(crate) async fn endpoints(
        &self,
        customer: &str,
    ) -> Result<Vec<EndpointRecord>, EndpointError> {
        self.read(async |reading: &mut Reading<'_>| {
            Ok(reading.endpoints(Selection::Customers(&[customer])).await?)
        })
        .await
    }

    /// One endpoint.
    pub(crate) async fn endpoint(&self, of: EndpointOf) -> Result<EndpointRecord, EndpointError> {
        self.read(async |reading: &mut Reading<'_>| {
            let key = endpoints::find(&mut reading.reader, &of).await?;
            let found = reading.endpoints(Selection::Keys(&[key])).await?.pop();
            Ok(found.ok_or(StoreError::Gone)?)
        })
        .await
    }

    /// Waits until every other node has heard of an endpoint's last change, or its lease has ended.
    pub(crate) async fn until_heard(&self, of: &EndpointOf) -> Result<(), EndpointError> {
        let this = self.membership.node();
        let lease = self.membership.times.lease;
        let began = Instant::now();
        let mut told = false;
        loop {
            let unheard = self.read(async |reading: &mut Reading<'_>| {
                reading.reader.is_unheard((this, lease), of).await
            });
            let unheard: Result<bool, StoreError> = unheard.await;
            if !unheard? {
                return Ok(());
            }
            if !told && began.elapsed() > lease {
                told = true;
                tracing::warn!(
                    endpoint.id = %of.id,
                    "another live node has not heard yet that this endpoint was changed"
                );
            }
            tokio::time::sleep(HEARD_WAIT).await;
        }
    }

    /// The settings of an endpoint.
    pub(crate) async fn settings(&self, of: EndpointOf) -> Result<EndpointSettings, EndpointError> {
        self.read(async |reading: &mut Reading<'_>| {
            let key = endpoints::find(&mut reading.reader, &of).await?;
            let stored = endpoints::stored(reading.endpoints, &mut reading.reader, key).await?;
            let settings = stored.settings.to_public();
            Ok(settings
                .map_err(|what| StoreError::Damaged(what.to_owned()).of_endpoint(of.id.as_str()))?)
        })
        .await
    }

    /// The secrets of an endpoint that sign now, the newest first.
    pub(crate) async fn secrets(&self, of: EndpointOf) -> Result<Vec<SecretInfo>, EndpointError> {
        self.read(async |reading: &mut Reading<'_>| secrets::list(reading, &of).await)
            .await
    }

    /// A page of an endpoint's deliveries.
    pub(crate) async fn page(
        &self,
        endpoint: EndpointRecord,
        page: PageOf,
    ) -> Result<DeliveryPage, StoreError> {
        self.read(async |reading: &mut Reading<'_>| listing::page(reading, &endpoint, page).await)
            .await
    }

    /// One step of a replay's scan of the events, starting at `from`.
    pub(crate) async fn look(
        &self,
        endpoint: &Arc<EndpointRecord>,
        replay: Replay,
        from: Option<i64>,
    ) -> Result<Look, StoreError> {
        self.read(async |reading: &mut Reading<'_>| {
            replay::look(reading, endpoint, &replay, from).await
        })
        .await
    }

    /// The refused rows of the outbox table after `after`, in the order of their ids.
    pub(crate) async fn refused_rows(&self, after: i64) -> Result<Vec<RefusedRow>, StoreError> {
        self.read(async |reading: &mut Reading<'_>| {
            outbox_table::refused_rows(reading, after).await
        })
        .await
    }
}
