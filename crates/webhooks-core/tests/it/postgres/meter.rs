//! A receiver that measures: when requests arrive, and how many it has at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{extract::State, http::StatusCode};
use parking_lot::Mutex;

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
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let app = axum::Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&meter));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (meter, url)
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
