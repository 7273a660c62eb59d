//! What a history stands on: a store that outlives its engine, and can be made to refuse.

use std::time::Duration;

use webhooks_core::{Builder, OpenError, Webhooks};

use crate::{
    each_store::{Database, Store},
    world::{
        fault::{Fault, Meeting},
        outside::{Outside, Sql},
    },
};

const PENDING_ROWS: Sql<'_> = Sql {
    sqlite: "select 'event ' || event_seq || ' to ' || d.endpoint_key || ' ' || e.customer
                 || ' ' || e.state || ' claim ' || ifnull(claim, '-') || ' in lane ' || lane
                 || ' due ' || d.due_at || ' attempts ' || attempts
                 || '; lane due ' || ifnull(l.due_at, '-') || ' backoff '
                 || ifnull(l.backoff_until, '-') || ' failures ' || ifnull(l.failures, '-')
             from webhooks_delivery d left join webhooks_lane l on l.endpoint_key = d.endpoint_key
             left join webhooks_endpoint e on e.key = d.endpoint_key",
    postgres: "select 'event ' || event_seq || ' to ' || d.endpoint_key || ' ' || e.customer
                   || ' ' || e.state || ' claim ' || coalesce(claim::text, '-') || ' in lane ' || lane
                   || ' due ' || d.due_at || ' attempts ' || attempts
                   || '; lane due ' || coalesce(l.due_at::text, '-') || ' backoff '
                   || coalesce(l.backoff_until::text, '-')
                   || ' failures ' || coalesce(l.failures::text, '-')
               from webhooks.delivery d left join webhooks.lane l on l.endpoint_key = d.endpoint_key
               left join webhooks.endpoint e on e.key = d.endpoint_key",
};

pub(super) struct Ground {
    database: Database,
    fault: Option<Fault>,
}

impl Ground {
    pub(super) fn new(store: Store) -> Self {
        Self {
            database: store.database(),
            fault: None,
        }
    }

    /// An engine, once the one before has let go of the database.
    pub(super) async fn open(&self, builder: impl Fn() -> Builder) -> Webhooks {
        loop {
            match builder().open(&self.database.address).await {
                Ok(webhooks) => return webhooks,
                // The one before does when its last outcome is stored.
                Err(OpenError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(2)).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Transactions that write this table fail, until the fault is mended.
    pub(super) async fn plant_fault(&mut self, table: &str, meeting: Meeting) {
        self.fault = Some(Fault::plant(&self.database.address, table, meeting).await);
    }

    pub(super) async fn mend_fault(&mut self) {
        if let Some(fault) = self.fault.take() {
            fault.mend().await;
        }
    }

    pub(super) fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// What the store says of each delivery that is pending.
    pub(super) async fn pending_rows(&self) -> String {
        let rows = Outside::at(&self.database.address).rows(PENDING_ROWS).await;
        rows.join("\n")
    }
}
