//! The API's answers when it cannot do what was asked.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Each variant is one status; the sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    Query(String),
    #[error("{0}")]
    NotAllowed(String),
    #[error("there is no request #{0}: it never arrived, was deleted, or was dropped to make room")]
    NoRequest(u64),
    #[error("there is no scope {0:?}")]
    NoScope(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    #[error("{0}")]
    Upstream(String),
}

#[derive(Serialize)]
struct Told {
    error: String,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::NotAllowed(_) => StatusCode::FORBIDDEN,
            Self::NoRequest(_) | Self::NoScope(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Upstream(_) => StatusCode::BAD_GATEWAY,
        };
        let told = Told {
            error: self.to_string(),
        };
        (status, Json(told)).into_response()
    }
}
