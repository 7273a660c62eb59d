//! The question that a provider asks before it sends webhooks to a URL, and the answer.

use super::key::Key;
use serde::Deserialize;

/// Answers a verified request if it is such a question; the key is the one that verified it.
pub(super) type ChallengeOf = fn(body: &[u8], key: &Key) -> Option<Challenge>;

/// The answer to a provider's question whether the URL is ours. Send it unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// The status: 200, or 204 without a body.
    pub status: u16,
    /// The body's media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Challenge {
    pub(super) fn text(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            content_type: "text/plain",
            body: body.into(),
        }
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Self {
            status: 200,
            content_type: "application/json",
            body: body.to_string(),
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            status: 204,
            content_type: "text/plain",
            body: String::new(),
        }
    }
}

/// The question in a JSON body, if `is_asked` recognises it as one.
pub(super) fn question<'a, Question: Deserialize<'a>>(
    body: &'a [u8],
    is_asked: impl FnOnce(&Question) -> bool,
) -> Option<Question> {
    serde_json::from_slice(body).ok().filter(is_asked)
}

#[cfg(feature = "receive")]
impl axum::response::IntoResponse for Challenge {
    fn into_response(self) -> axum::response::Response {
        let status = http::StatusCode::from_u16(self.status).expect("200 and 204 are statuses");
        let kind = [(http::header::CONTENT_TYPE, self.content_type)];
        (status, kind, self.body).into_response()
    }
}
