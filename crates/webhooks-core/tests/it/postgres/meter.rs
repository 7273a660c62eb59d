//! A receiver that measures: when requests arrive, and how many it has at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{extract::State, http::StatusCode};
use parking_lot::Mutex;

use crate::world::server::serve;

/// A receiver that measures.
pub(crate) struct Meter {
    /// How long it works on each request.
    work: Duration,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    arrived: Vec<Instant>,
    at_once: usize,
    most: usize,
}

impl Meter {
    pub(crate) async fn start(work: Duration) -> (Arc<Self>, String) {
        let meter = Arc::new(Self {
            work,
            seen: Mutex::default(),
        });
        let app = axum::Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&meter));
        (meter, serve(app).await)
    }

    /// When each request arrived, in that order.
    pub(crate) fn arrived(&self) -> Vec<Instant> {
        self.seen.lock().arrived.clone()
    }

    /// The most requests that it had at once.
    pub(crate) fn most(&self) -> usize {
        self.seen.lock().most
    }
}

async fn receive(State(meter): State<Arc<Meter>>) -> StatusCode {
    {
        let mut seen = meter.seen.lock();
        seen.arrived.push(Instant::now());
        seen.at_once += 1;
        seen.most = seen.most.max(seen.at_once);
    }
    tokio::time::sleep(meter.work).await;
    meter.seen.lock().at_once -= 1;
    StatusCode::NO_CONTENT
}
