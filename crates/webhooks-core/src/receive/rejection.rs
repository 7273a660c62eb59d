//! What the extractors answer when a request does not get through: a status, and silence.

use crate::scheme::VerifyError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why an extractor turned a request away. The response carries only the status; the reason goes
/// to the log, once, where the extractor refuses.
///
/// Take `Result<Verified<T>, Rejection>` in a handler to answer differently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// 413: more bytes than the verifier's body limit; the rest was not read.
    #[error("the body is larger than the limit of {limit} bytes")]
    BodyTooLarge {
        /// The most bytes read.
        limit: usize,
    },

    /// 400: the connection failed or the caller gave up before the body was complete.
    #[error("the body did not arrive completely")]
    BodyIncomplete(#[source] axum::Error),

    /// 401 for an unsigned or wrongly signed request, 400 for a malformed one, 500 for a verifier
    /// that cannot work.
    #[error(transparent)]
    Refused(#[from] VerifyError),

    /// 415: signed, but the content type is not JSON.
    #[error("the content type is not application/json")]
    NotJson,

    /// 422: signed, but not what the handler takes. Repeats nothing of the body, which may hold
    /// personal data; the source does.
    #[error("the body is not what the handler takes, at line {} column {}", .0.line(), .0.column())]
    Unfit(#[source] serde_json::Error),

    /// 422: signed, but the body's `id` is not the one in the header.
    #[error("the id in the body is not the id in the header")]
    IdsDiffer,

    /// 500: `Verified<T>` needs a signed id and timestamp, which this provider does not send.
    #[error(
        "`Verified<T>` needs `Verifier::standard`; take `VerifiedBody` for other providers' bodies"
    )]
    NotStandard,
}

impl Rejection {
    /// The status that the caller gets to see.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIncomplete(_) => StatusCode::BAD_REQUEST,
            Self::Refused(error) => verify_status(error),
            Self::NotJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unfit(_) | Self::IdsDiffer => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotStandard => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Writes the reason to the log, where only the operator sees it.
    pub(super) fn logged(self) -> Self {
        let status = self.status();
        let code = status.as_u16();
        if status.is_server_error() {
            tracing::error!(http.status = code, reason = %self, "cannot receive webhooks");
        } else {
            tracing::warn!(http.status = code, reason = %self, "refused a webhook");
        }
        self
    }
}

fn verify_status(error: &VerifyError) -> StatusCode {
    match error {
        VerifyError::MissingHeader { .. }
        | VerifyError::NoSignatureMatched { .. }
        | VerifyError::TooOld { .. }
        | VerifyError::TooNew { .. }
        | VerifyError::BodyHashDiffers
        | VerifyError::NoBodyTime { .. }
        | VerifyError::BodyNotSigned => StatusCode::UNAUTHORIZED,
        VerifyError::DuplicateHeader { .. }
        | VerifyError::NotText { .. }
        | VerifyError::HeaderTooLong { .. }
        | VerifyError::Malformed { .. }
        | VerifyError::TooManySignatures { .. }
        | VerifyError::TooManyFields { .. } => StatusCode::BAD_REQUEST,
        VerifyError::UrlNeeded | VerifyError::NoSecrets => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.status().into_response()
    }
}
