//! A node of a history, and its way to the database.

use std::{sync::Arc, time::Duration};

use scratch_postgres::Database;
use url::Url;
use webhooks_core::{Webhooks, testing::ManualClock};

use super::super::scissors::Scissors;
use crate::world::builder;

/// Where the tables are.
pub(super) const SCHEMA: &str = "webhooks";
/// For how long a node is taken for alive: real time, of which a history has little. Three tenths of it are
/// what a request may take to the receiver once it was allowed.
pub(super) const LEASE: Duration = Duration::from_secs(2);
/// Longer than an answer takes on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);

/// What a node may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) endpoints_in_memory: usize,
    /// `None`: as many as unless set.
    pub(super) connections: Option<usize>,
}

/// A node, and its way to the database.
pub(super) struct Member {
    pub(super) webhooks: Webhooks,
    pub(super) scissors: Scissors,
    /// Nothing comes to the database from it.
    pub(super) is_cut: bool,
    /// What happens to it for longer than a step.
    pub(super) disturbances: Vec<usize>,
}

impl Member {
    pub(super) async fn open(
        database: &Database,
        clock: &Arc<ManualClock>,
        bounds: Bounds,
    ) -> Self {
        let mut url = Url::parse(database.url()).unwrap();
        let scissors = Scissors::before(url.port().unwrap()).await;
        url.set_port(Some(scissors.port())).unwrap();
        url.set_query(Some(&format!("schema={SCHEMA}&sslmode=disable")));
        let builder = builder(clock)
            .disable_after(None)
            .endpoints_in_memory(bounds.endpoints_in_memory)
            .lease(LEASE)
            .answer_limit(ANSWER_LIMIT);
        let builder = match bounds.connections {
            Some(max) => builder.connections(max),
            None => builder,
        };
        Self {
            webhooks: builder.open(url.as_str()).await.unwrap(),
            scissors,
            is_cut: false,
            disturbances: Vec::new(),
        }
    }

    pub(super) fn cut_off(&mut self) {
        self.scissors.close();
        self.is_cut = true;
    }

    pub(super) fn mend(&mut self) {
        self.scissors.open();
        self.is_cut = false;
    }
}
