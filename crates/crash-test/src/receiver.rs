//! The receiver, in the process that kills: it records every id in order of arrival.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};

use crate::port;

/// What arrived, by customer, in order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Arrivals(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids that arrived for a customer, repeats included.
    #[must_use]
    pub fn of(&self, customer: &str) -> Vec<String> {
        self.lock().get(customer).cloned().unwrap_or_default()
    }

    /// How many requests arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }
}

/// Starts the receiver on a free port; returns its URL.
///
/// # Errors
/// When there is no free port.
pub async fn start(arrivals: Arrivals) -> std::io::Result<String> {
    let listener = port::listen()?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/{customer}", post(receive))
        .with_state(arrivals);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

async fn receive(
    State(arrivals): State<Arrivals>,
    Path(customer): Path<String>,
    headers: HeaderMap,
) -> StatusCode {
    let id = headers
        .get("webhook-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    arrivals
        .lock()
        .entry(customer)
        .or_default()
        .push(id.to_owned());
    StatusCode::NO_CONTENT
}
