//! What the extractors answer when a request is refused: a status, and nothing else.

use crate::scheme::VerifyError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header::CONTENT_TYPE};

/// Why an extractor refused a request. The response carries only the status; the reason is logged once, where the
/// extractor refuses.
///
/// Take `Result<Verified<T>, Rejection>` in a handler to answer differently.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// 413: the body is larger than the verifier's body limit; the rest was not read.
    #[error("the body is larger than the limit of {limit} bytes")]
    BodyTooLarge {
        /// The maximum number of bytes read.
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

    /// 415: signed, but the content type is not that of a form.
    #[error("the content type is {content_type}, not application/x-www-form-urlencoded")]
    NotForm {
        /// The header's value, quoted and shortened; `missing` if there is none.
        content_type: String,
    },

    /// 422: signed, but not what the handler takes. The message repeats nothing of the body, which may hold
    /// personal data; the source does. If the error is inside the event's data, line and column are counted from
    /// there.
    #[error("the body is not what the handler takes, at line {} column {}{}", .0.line(), .0.column(), missing_field(.0))]
    Unfit(#[source] serde_json::Error),

    /// 422: signed, but a field that the event's shape requires is missing.
    #[error(
        "the body has no field `{field}`; this handler takes {shape}: `Verified<T>` is for {{id, event, data}}, `Verified<T, StandardWebhooks>` for {{type, timestamp, data}}, `Verified<T, Bare>` for anything else"
    )]
    MissingField {
        /// The field's name.
        field: &'static str,
        /// The fields that the handler's type asks for.
        shape: &'static str,
    },

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
    pub(super) fn not_form(headers: &HeaderMap) -> Self {
        let content_type = headers.get(CONTENT_TYPE).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let shown: String = text.chars().take(CONTENT_TYPE_CHARS_MAX).collect();
            format!("{shown:?}")
        });
        Self::NotForm {
            content_type: content_type.unwrap_or_else(|| "missing".to_owned()),
        }
    }

    /// The status that the caller sees.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIncomplete(_) => StatusCode::BAD_REQUEST,
            Self::Refused(error) => verify_status(error),
            Self::NotJson | Self::NotForm { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unfit(_) | Self::MissingField { .. } | Self::IdsDiffer => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::NotStandard => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Writes the reason to the log, where only the operator sees it, together with the event's id and type as far
    /// as they are verified.
    pub(super) fn logged(self, event: &Labels<'_>) -> Self {
        let status = self.status();
        let code = status.as_u16();
        let Labels { id, kind } = event;
        if status.is_server_error() {
            tracing::error!(http.status = code, event.id = id, event.type = kind, reason = %self, "cannot receive webhooks");
        } else {
            tracing::warn!(http.status = code, event.id = id, event.type = kind, reason = %self, "refused a webhook");
        }
        self
    }
}

/// How an event is named in the log.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Labels<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(id: Option<&'a str>, kind: Option<&'a str>) -> Self {
        Self {
            id,
            // It is only a label; anything longer, or with a line break, is a mistake.
            kind: kind.filter(|kind| {
                kind.len() <= EVENT_TYPE_BYTES_MAX && !kind.contains(char::is_control)
            }),
        }
    }
}

/// How many characters of a content type the error shows: it comes from the sender, and nothing signs it.
const CONTENT_TYPE_CHARS_MAX: usize = 100;

/// The longest event type that is logged.
const EVENT_TYPE_BYTES_MAX: usize = 128;

/// The name, from the handler's own type, of the field that is missing; nothing of the body.
fn missing_field(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let name = text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    name.map_or_else(String::new, |name| format!(": missing field `{name}`"))
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
