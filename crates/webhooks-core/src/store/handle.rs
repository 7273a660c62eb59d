//! The engine's handle to its store: every query is a method here, answered without the writer.

use std::sync::Arc;

#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{endpoint_error::EndpointError, error::StoreError};
#[cfg(feature = "metrics")]
use crate::model::gauges::Gauges;
use crate::{
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
};

/// A store that is open.
pub(crate) enum Store {
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<sqlite::handle::Handle>),
    #[cfg(feature = "postgres")]
    Postgres(Arc<postgres::handle::Handle>),
}

/// Calls the store that is open.
macro_rules! either {
    ($store:expr, $handle:ident => $work:expr) => {
        match $store {
            #[cfg(feature = "sqlite")]
            Store::Sqlite($handle) => $work,
            #[cfg(feature = "postgres")]
            Store::Postgres($handle) => $work,
        }
    };
}

impl Store {
    /// Closes the connections that are not reading.
    pub(crate) fn close(&self) {
        either!(self, handle => handle.close());
    }

    /// An event with its body.
    pub(crate) async fn event(
        &self,
        customer: &str,
        event_id: &str,
    ) -> Result<Option<EventRecord>, StoreError> {
        either!(self, handle => handle.event(customer, event_id).await)
    }

    /// Every delivery of an event, in the order its endpoints were added.
    pub(crate) async fn deliveries(
        &self,
        customer: &str,
        event_id: &str,
    ) -> Result<Vec<Delivery>, StoreError> {
        either!(self, handle => handle.deliveries(customer, event_id).await)
    }

    /// Why an event did not arrive at an endpoint, or that it did.
    pub(crate) async fn explain(&self, of: DeliveryOf) -> Result<Explanation, StoreError> {
        either!(self, handle => handle.explain(of).await)
    }

    /// How many deliveries are stored and not done.
    pub(crate) async fn pending(&self) -> Result<u64, StoreError> {
        either!(self, handle => handle.pending().await)
    }

    /// How many deliveries have not been tried.
    pub(crate) async fn untried(&self) -> Result<u64, StoreError> {
        either!(self, handle => handle.untried().await)
    }

    /// A customer's endpoints, in the order they were added.
    pub(crate) async fn endpoints(
        &self,
        customer: &str,
    ) -> Result<Vec<EndpointRecord>, EndpointError> {
        either!(self, handle => handle.endpoints(customer).await)
    }

    /// One endpoint.
    pub(crate) async fn endpoint(&self, of: EndpointOf) -> Result<EndpointRecord, EndpointError> {
        either!(self, handle => handle.endpoint(of).await)
    }

    /// Waits until no other engine uses what an endpoint was before its last change.
    pub(crate) async fn until_heard(&self, of: &EndpointOf) -> Result<(), EndpointError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                // No endpoint has another engine here.
                _ = of;
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(handle) => handle.until_heard(of).await,
        }
    }

    /// The settings of an endpoint.
    pub(crate) async fn settings(&self, of: EndpointOf) -> Result<EndpointSettings, EndpointError> {
        either!(self, handle => handle.settings(of).await)
    }

    /// The secrets of an endpoint that sign now, the newest first.
    pub(crate) async fn secrets(&self, of: EndpointOf) -> Result<Vec<SecretInfo>, EndpointError> {
        either!(self, handle => handle.secrets(of).await)
    }

    /// A page of an endpoint's deliveries.
    pub(crate) async fn page(
        &self,
        endpoint: EndpointRecord,
        page: PageOf,
    ) -> Result<DeliveryPage, StoreError> {
        either!(self, handle => handle.page(endpoint, page).await)
    }

    /// One step of a replay's scan of the events, starting at `from`.
    pub(crate) async fn look(
        &self,
        endpoint: &Arc<EndpointRecord>,
        replay: Replay,
        from: Option<i64>,
    ) -> Result<Look, StoreError> {
        either!(self, handle => handle.look(endpoint, replay, from).await)
    }

    /// The refused rows of the outbox table after `after`, in the order of their ids.
    pub(crate) async fn refused_rows(&self, after: i64) -> Result<Vec<RefusedRow>, StoreError> {
        either!(self, handle => handle.refused_rows(after).await)
    }

    /// What the gauges show.
    #[cfg(feature = "metrics")]
    pub(crate) async fn gauges(&self) -> Result<Gauges, StoreError> {
        either!(self, handle => handle.gauges().await)
    }
}
