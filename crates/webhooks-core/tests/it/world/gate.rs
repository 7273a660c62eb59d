//! A receiver that answers each event when it is told how.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use tokio::sync::Notify;

use super::server::serve;

/// A receiver that answers each event when it is told how.
#[derive(Default)]
pub(crate) struct Gate {
    statuses: Mutex<HashMap<String, u16>>,
    arrived: Mutex<Vec<String>>,
    changed: Notify,
}

impl Gate {
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let gate = Arc::<Self>::default();
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&gate));
        (gate, serve(app).await)
    }

    pub(crate) fn open(&self, id: &str, status: u16) {
        self.statuses.lock().unwrap().insert(id.to_owned(), status);
        self.changed.notify_waiters();
    }

    /// Requests for it wait from now on.
    pub(crate) fn close(&self, id: &str) {
        self.statuses.lock().unwrap().remove(id);
    }

    /// The ids of the requests so far, in the order they arrived.
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.arrived.lock().unwrap().len() >= count {
                return;
            }
            changed.await;
        }
    }
}

async fn answer(State(gate): State<Arc<Gate>>, headers: HeaderMap) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    gate.arrived.lock().unwrap().push(id.clone());
    gate.changed.notify_waiters();
    loop {
        let changed = gate.changed.notified();
        if let Some(status) = gate.statuses.lock().unwrap().get(&id) {
            return StatusCode::from_u16(*status).unwrap();
        }
        changed.await;
    }
}

/// Lets everything else on this thread go on until it waits for the writer.
pub(crate) async fn let_others_run() {
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
}
