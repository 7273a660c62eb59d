//! axum extractors: read within a limit, verify, and only then parse.

use super::rejection::{Labels, Rejection};
use super::shape::{Envelope, Shape};
use super::verifier::{Verification, Verifier};
use crate::scheme::{Challenge, Provider, is_form};
use axum::body::Body;
use axum::extract::{FromRef, FromRequest, OriginalUri, Request};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Uri};
use http_body_util::{BodyExt, LengthLimitError};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::error::Error as StdError;
use std::marker::PhantomData;
use std::time::SystemTime;

/// A verified event, by default in the shape `{"id": …, "event": …, "data": …}`.
///
/// The second type parameter says what the body looks like: [`StandardWebhooks`](super::StandardWebhooks) for
/// `{"type": …, "timestamp": …, "data": …}`, [`Bare`](super::Bare) where the whole body is the data.
///
/// The state must be, or provide through [`FromRef`], a [`Verifier::standard`]. A handler that receives many event
/// types should take `Verified<serde_json::Value>`, look at `event_type` and parse `data` afterwards: data that
/// does not fit its type is answered 422, and the sender would retry for days.
///
/// ```
/// use axum::http::StatusCode;
/// use webhooks_core::receive::{StandardWebhooks, Verified};
///
/// async fn hook(event: Verified<u32>) -> StatusCode {
///     println!("{} {} {}", event.id, event.event_type, event.data);
///     StatusCode::NO_CONTENT
/// }
///
/// // Clerk and Resend send this.
/// async fn mail(event: Verified<serde_json::Value, StandardWebhooks>) -> StatusCode {
///     println!("{} {}", event.event_type, event.data["email_id"]);
///     StatusCode::NO_CONTENT
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Verified<T, S = Envelope> {
    /// The event's id, the same on every attempt: the key for the replay guard.
    pub id: String,
    /// The event's type, for example `random_number:generate`; empty if a [`Bare`](super::Bare) body has none.
    pub event_type: String,
    /// When it happened, according to a [`StandardWebhooks`](super::StandardWebhooks) body.
    pub occurred_at: Option<String>,
    /// When this attempt was signed.
    pub timestamp: SystemTime,
    /// What happened.
    pub data: T,
    /// The body as received, byte for byte.
    pub body: Bytes,
    /// Which of the verifier's secrets matched, counted from 0.
    pub secret_index: usize,
    shape: PhantomData<fn() -> S>,
}

/// A verified request with a body of any shape: for all providers other than Standard Webhooks.
///
/// ```
/// use axum::http::StatusCode;
/// use webhooks_core::receive::{Rejection, VerifiedBody};
///
/// async fn github(request: VerifiedBody) -> Result<StatusCode, Rejection> {
///     if request.verification.unsigned_event_type.as_deref() == Some("ping") {
///         return Ok(StatusCode::NO_CONTENT);
///     }
///     let push: serde_json::Value = request.json()?;
///     println!("{} pushed to {}", push["pusher"]["name"], push["ref"]);
///     Ok(StatusCode::NO_CONTENT)
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifiedBody {
    /// What the signature proved.
    pub verification: Verification,
    /// The request's headers; only those in the verification are signed.
    pub headers: HeaderMap,
    /// The body as received, byte for byte.
    pub body: Bytes,
    /// What to answer when the provider asks whether this URL is ours, as Slack, Zoom and Discord do before they
    /// send anything else. It only answers a verified question; Meta's question, which is not signed, is answered
    /// by [`meta_challenge`](super::meta_challenge).
    ///
    /// ```
    /// use axum::http::StatusCode;
    /// use axum::response::{IntoResponse, Response};
    /// use webhooks_core::receive::VerifiedBody;
    ///
    /// async fn zoom(request: VerifiedBody) -> Response {
    ///     if let Some(answer) = request.challenge {
    ///         return answer.into_response();
    ///     }
    ///     StatusCode::NO_CONTENT.into_response()
    /// }
    /// ```
    pub challenge: Option<Challenge>,
    provider: Provider,
}

impl VerifiedBody {
    /// Parses a JSON body, or the JSON in the `payload` field of a form, which GitHub sends if configured so, and
    /// Slack sends for what people do in a message.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotJson`] or [`Rejection::Unfit`]; pass it on with `?`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        let payload_field = self.provider.scheme().payload_field;
        let in_form = payload_field.filter(|_| media_type(&self.headers).is_some_and(is_form));
        let parsed = match in_form {
            Some(field) => form_urlencoded::parse(&self.body)
                .find(|(key, _)| key == field)
                .ok_or(Rejection::NotJson)
                .and_then(|(_, json)| serde_json::from_str(&json).map_err(Rejection::Unfit)),
            None => parse_json(&self.headers, &self.body),
        };
        parsed.map_err(|rejection| rejection.logged(&self.labels()))
    }

    fn labels(&self) -> Labels<'_> {
        let verified = &self.verification;
        let id = verified.id.as_deref().or(verified.unsigned_id.as_deref());
        Labels::new(id, verified.unsigned_event_type.as_deref())
    }

    /// The fields of a form body, in order.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotForm`] if the content type is a different one; pass it on with `?`.
    pub fn form(&self) -> Result<Vec<(String, String)>, Rejection> {
        if media_type(&self.headers).is_some_and(is_form) {
            return Ok(form_urlencoded::parse(&self.body).into_owned().collect());
        }
        Err(Rejection::not_form(&self.headers).logged(&self.labels()))
    }

    /// A key for the replay guard if nothing that is signed identifies the event: the body's SHA-256.
    ///
    /// Two genuine deliveries with the same bytes count as one.
    #[must_use]
    pub fn body_key(&self) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(&self.body)))
    }
}

impl<S> FromRequest<S> for VerifiedBody
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        receive(request, &Verifier::from_ref(state))
            .await
            .map_err(|rejection| rejection.logged(&Labels::default()))
    }
}

impl<State, T, S> FromRequest<State> for Verified<T, S>
where
    State: Send + Sync,
    T: DeserializeOwned,
    S: Shape,
    Verifier: FromRef<State>,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &State) -> Result<Self, Rejection> {
        let request = VerifiedBody::from_request(request, state).await?;
        Self::from_verified(request)
    }
}

impl<T: DeserializeOwned, S: Shape> Verified<T, S> {
    fn from_verified(request: VerifiedBody) -> Result<Self, Rejection> {
        let refuse = |rejection: Rejection, kind| {
            let id = request.verification.id.as_deref();
            Err(rejection.logged(&Labels::new(id, kind)))
        };
        let (Some(id), Some(timestamp)) =
            (&request.verification.id, request.verification.timestamp)
        else {
            return refuse(Rejection::NotStandard, None);
        };
        if !is_json(&request.headers) {
            return refuse(Rejection::NotJson, None);
        }
        let opened = match S::open(&request.body, id) {
            Ok(opened) => opened,
            Err(rejection) => return refuse(rejection, None),
        };
        let data = match opened.data {
            Ok(data) => data,
            Err(rejection) => return refuse(rejection, Some(&opened.event_type)),
        };
        let labels = Labels::new(Some(id), Some(&opened.event_type));
        tracing::debug!(event.id = labels.id, event.type = labels.kind, "received a webhook");
        Ok(Self {
            id: id.clone(),
            event_type: opened.event_type,
            occurred_at: opened.occurred_at,
            timestamp,
            data,
            body: request.body,
            secret_index: request.verification.secret_index,
            shape: PhantomData,
        })
    }
}

async fn receive(request: Request, verifier: &Verifier) -> Result<VerifiedBody, Rejection> {
    let (parts, body) = request.into_parts();
    let body = read(body, &parts.headers, verifier.body_limit_bytes()).await?;
    // In a nested router the request's own path lacks its beginning, which Twilio signed.
    let uri: &Uri = parts
        .extensions
        .get::<OriginalUri>()
        .map_or(&parts.uri, |OriginalUri(uri)| uri);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let verification = verifier.verify_path(path, &parts.headers, &body)?;
    Ok(VerifiedBody {
        challenge: verifier.challenge(&verification, &body),
        provider: verifier.provider(),
        verification,
        headers: parts.headers,
        body,
    })
}

/// Reads at most `limit` bytes. A body announced as larger is not read at all; one that turns out to be larger is
/// abandoned after the frame that exceeded the limit.
async fn read(mut body: Body, headers: &HeaderMap, limit: usize) -> Result<Bytes, Rejection> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|bytes| u64::try_from(limit).is_ok_and(|limit| bytes > limit)) {
        return Err(Rejection::BodyTooLarge { limit });
    }
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if is_length_limit(&error) {
                Rejection::BodyTooLarge { limit }
            } else {
                Rejection::BodyIncomplete(error)
            }
        })?;
        // Trailers are not part of the body.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - read.len() {
            return Err(Rejection::BodyTooLarge { limit });
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

/// Whether the body was ended by a limit that an outer layer set.
fn is_length_limit(error: &axum::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn parse_json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Rejection> {
    if !is_json(headers) {
        return Err(Rejection::NotJson);
    }
    serde_json::from_slice(body).map_err(Rejection::Unfit)
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// `application/json` or `application/…+json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers)
        .and_then(|text| text.split(';').next())
        .is_some_and(|text| {
            let text = text.trim().to_ascii_lowercase();
            text == "application/json"
                || (text.starts_with("application/") && text.ends_with("+json"))
        })
}
