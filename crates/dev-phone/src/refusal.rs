//! All the ways in which the API refuses a call, with Twilio's HTTP status, code and words.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A refused call. Its words are Twilio's own, so they are not in this project's style.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Authenticate")]
    Unauthenticated,
    #[error("The requested resource {0} was not found")]
    NotFound(String),
    #[error("Method not allowed")]
    MethodNotAllowed,
    #[error("Invalid parameter {name}: {reason}")]
    Parameter {
        name: &'static str,
        reason: &'static str,
    },
    #[error("Message body is required.")]
    NoBody,
    #[error("A 'From' phone number is required.")]
    NoFrom,
    #[error("A 'To' phone number is required.")]
    NoTo,
    #[error("The 'To' number {0} is not a valid phone number.")]
    ToInvalid(String),
    #[error(
        "The 'From' number {0} is not a valid phone number, shortcode, or alphanumeric sender ID."
    )]
    FromInvalid(String),
    #[error(
        "The From phone number {0} is not a valid, SMS-capable inbound phone number or short code for your account."
    )]
    FromNotOwned(String),
    #[error("'To' and 'From' number cannot be the same: {0}")]
    SameNumber(String),
    #[error("SMS queue is full.")]
    QueueFull,
    #[error(
        "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number: {from} via SMS."
    )]
    Unreachable { to: String, from: String },
    #[error(
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {0}."
    )]
    Region(String),
    #[error("Attempt to send to unsubscribed recipient")]
    OptedOut,
    #[error("To number: {0}, is not a mobile number")]
    NotMobile(String),
    #[error("The concatenated message body exceeds the 1600 character limit.")]
    BodyTooLong,
    #[error("The StatusCallback URL {0} is not a valid URL.")]
    CallbackInvalid(String),
    #[error("Invalid media URL(s)")]
    MediaInvalid,
    #[error("Number of media files exceeds allowed limit")]
    TooMuchMedia,
    #[error("SendAt timestamp is missing")]
    SendAtMissing,
    #[error(
        "SendAt time must be between 300 seconds and 35 days (3024000 seconds) in the future, inclusive."
    )]
    SendAtOutside,
    #[error("This message cannot be canceled")]
    NotCancelable,
    #[error("Resource not complete")]
    NotComplete,
    #[error("Too Many Requests")]
    TooManyRequests,
    #[error("Internal Server Error")]
    ServerError,
}

impl Refusal {
    /// Twilio's code for it: the only part that a program should branch on.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::Unauthenticated => 20003,
            Self::NotFound(_) => 20404,
            Self::MethodNotAllowed => 20004,
            Self::Parameter { .. } => 20001,
            Self::NoBody => 21602,
            Self::NoFrom => 21603,
            Self::NoTo => 21604,
            Self::ToInvalid(_) => 21211,
            Self::FromInvalid(_) => 21212,
            Self::FromNotOwned(_) => 21606,
            Self::SameNumber(_) => 21266,
            Self::QueueFull => 21611,
            Self::Unreachable { .. } => 21612,
            Self::Region(_) => 21408,
            Self::OptedOut => 21610,
            Self::NotMobile(_) => 21614,
            Self::BodyTooLong => 21617,
            Self::CallbackInvalid(_) => 21609,
            Self::MediaInvalid => 21620,
            Self::TooMuchMedia => 21623,
            Self::SendAtMissing => 35111,
            Self::SendAtOutside => 35114,
            Self::NotCancelable => 30409,
            Self::NotComplete => 20009,
            Self::TooManyRequests => 20429,
            Self::ServerError => 20500,
        }
    }

    /// The HTTP status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::QueueFull | Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::NotComplete => StatusCode::CONFLICT,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "code": self.code(),
            "message": self.to_string(),
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code()),
            "status": self.status().as_u16(),
        });
        if self == Self::Unauthenticated {
            body["detail"] = json!("Your AccountSid or AuthToken was incorrect.");
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Twilio API\"")];
            return (self.status(), challenge, Json(body)).into_response();
        }
        (self.status(), Json(body)).into_response()
    }
}
