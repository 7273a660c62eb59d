//! The receiver, in the process that makes the faults: it records in the ledger what arrives.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use rand::RngExt;

use super::{ledger::Ledger, mark::Mark};
use crate::port;

/// The customer whose receiver fails at times, on the first request of an event.
pub const SHAKY: &str = "shaky";
/// One in this many of the first requests to it is answered with a failure,
const FAILS_ONE_IN: u32 = 8;
/// and one in this many of those asks for a pause.
const THROTTLES_ONE_IN: u32 = 20;
/// The longest time that a request takes,
const WORK_MAX: Duration = Duration::from_millis(4);
/// except for one in this many, behind which others wait.
const SLOW_ONE_IN: u32 = 100;
const SLOW_MAX: Duration = Duration::from_millis(300);

/// Starts the receiver on a free port; returns its URL.
///
/// # Errors
/// When there is no free port.
pub async fn start(ledger: Arc<Ledger>) -> std::io::Result<String> {
    let listener = port::listen()?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/{customer}", post(receive))
        .with_state(ledger);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(format!("http://{address}"))
}

async fn receive(
    State(ledger): State<Arc<Ledger>>,
    Path(customer): Path<String>,
    body: Bytes,
) -> Response {
    let Some(mark) = Mark::find(&body) else {
        // Not one of ours: it is retried again and again, and so shows up at the end.
        return StatusCode::BAD_REQUEST.into_response();
    };
    let (work, fails, throttles) = {
        let mut random = rand::rng();
        let longest = if random.random_ratio(1, SLOW_ONE_IN) {
            SLOW_MAX
        } else {
            WORK_MAX
        };
        (
            random.random_range(Duration::ZERO..longest),
            customer == SHAKY && random.random_ratio(1, FAILS_ONE_IN),
            random.random_ratio(1, THROTTLES_ONE_IN),
        )
    };
    let succeeds = ledger.arrived(&customer, mark, fails);
    tokio::time::sleep(work).await;
    if succeeds {
        StatusCode::NO_CONTENT.into_response()
    } else if throttles {
        (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response()
    } else {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
