//! What a history stands on: a store that outlives its engine, and can be made to refuse.

use std::time::Duration;

use webhooks_core::{Builder, OpenError, Webhooks};

use crate::{
    each_store::{Database, Store},
    world::fault::{Fault, Meeting},
};

pub(super) struct Ground {
    store: Store,
    database: Database,
    fault: Option<Fault>,
}

impl Ground {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
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
        self.fault = Some(Fault::plant(&self.database, table, meeting).await);
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
    pub(super) fn pending_rows(&self) -> String {
        match self.store {
            Store::SqliteMemory => "in memory".to_owned(),
            Store::SqliteFile => pending_in_sqlite(&self.database),
        }
    }
}

fn pending_in_sqlite(database: &Database) -> String {
    let file = database.address.strip_prefix("sqlite:").unwrap();
    let connection = rusqlite::Connection::open(file).unwrap();
    let mut select = connection
        .prepare(
            "select 'event ' || event_seq || ' to ' || d.endpoint_key || ' ' || e.customer
                     || ' ' || e.state || ' claim ' || ifnull(claim, '-') || ' in lane ' || lane
                     || ' due ' || d.due_at || ' attempts ' || attempts
                     || '; lane due ' || ifnull(l.due_at, '-') || ' backoff '
                     || ifnull(l.backoff_until, '-') || ' failures ' || ifnull(l.failures, '-')
                 from webhooks_delivery d left join webhooks_lane l on l.endpoint_key = d.endpoint_key
             left join webhooks_endpoint e on e.key = d.endpoint_key",
        )
        .unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<Vec<String>, _>>().unwrap().join("\n")
}
