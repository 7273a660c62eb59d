//! Being down on purpose, to see what a sender does then.
//!
//! Only possible without a real account. Connections are then actually refused, because nothing
//! is listening.

use std::time::Duration;

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde::Serialize;

use crate::texter::Texter;

/// How long connections are refused: long enough for three attempts of the demo's button to fail.
pub const DOWN_TIME: Duration = Duration::from_secs(20);

/// The switch's answer.
#[derive(Serialize)]
struct Down {
    seconds: u64,
}

/// `POST /down`, closed to other web sites.
pub(crate) fn routes(texter: Texter) -> Router {
    let router = Router::new().route("/down", post(go_down));
    let names: [&str; 0] = [];
    serve::same_origin(router.with_state(texter), names)
}

async fn go_down(State(texter): State<Texter>) -> Result<(StatusCode, Json<Down>), StatusCode> {
    let parts = texter.parts();
    if !parts.is_pretend {
        return Err(StatusCode::NOT_FOUND);
    }
    parts.down.notify_one();
    let seconds = DOWN_TIME.as_secs();
    Ok((StatusCode::ACCEPTED, Json(Down { seconds })))
}

impl Texter {
    /// Resolves when the texter should be down for [`DOWN_TIME`]; never with a real account.
    pub async fn goes_down(&self) {
        self.parts().down.notified().await;
    }
}
