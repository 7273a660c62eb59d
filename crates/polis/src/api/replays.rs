//! Records replays that another program made, so that the page lists them with its own.

use axum::{
    Json,
    extract::{Path, State},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{error::ApiError, shared::Shared};
use crate::sent_again::SentAgain;

/// The size limit of a URL or a reason: the page shows them on one line.
const TEXT_BYTES_MAX: usize = 4096;

/// A replay that was made elsewhere.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReplayMade {
    pub(crate) to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    pub(crate) edited: bool,
    pub(crate) resigned: bool,
}

pub(super) async fn add(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Json(made): Json<ReplayMade>,
) -> Result<Json<ReplayMade>, ApiError> {
    shared.record(id)?;
    let invalid = |fault: String| ApiError::Invalid(vec![fault]);
    let texts = [("to", Some(&made.to)), ("error", made.error.as_ref())];
    for (name, text) in texts {
        let size = text.map_or(0, String::len);
        if size > TEXT_BYTES_MAX {
            return Err(invalid(format!(
                "{name} is {size} bytes; the limit is {TEXT_BYTES_MAX}"
            )));
        }
    }
    let outcome = match (made.status, &made.error) {
        (Some(status @ 100..=999), None) => Ok(status),
        (None, Some(error)) => Err(error.clone()),
        _ => {
            return Err(invalid(
                "give the status that was answered, 100 to 999, or the error".to_owned(),
            ));
        }
    };
    let sent = SentAgain {
        at: Timestamp::now(),
        to: made.to.clone(),
        outcome,
        is_edited: made.edited,
        is_resigned: made.resigned,
    };
    shared.polis.sent_again(id, sent);
    Ok(Json(made))
}
