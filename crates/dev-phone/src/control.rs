//! The actions of the page's forms, which other programs can use too: writing a text and setting
//! switches.

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde_json::Value;

use crate::phone::Phone;

/// The routes of the forms.
pub(crate) fn routes() -> Router<Phone> {
    Router::new()
        .route("/reply", post(reply))
        .route("/switches", get(show_switches).post(set_switches))
        .route("/switches/reset", post(reset_switches))
}

/// Why a posted body was not understood; the message is the answer.
#[derive(Debug, thiserror::Error)]
enum BadBody {
    #[error("the body is not a JSON object: {0}")]
    Json(serde_json::Error),
    #[error("{0} is neither text, a number, true, false nor null")]
    Value(String),
}

/// The names and values of a form or of a flat JSON object.
fn settings(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, String)>, BadBody> {
    if !is_json(headers, header::CONTENT_TYPE) {
        return Ok(form_urlencoded::parse(body).into_owned().collect());
    }
    let object: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(BadBody::Json)?;
    object
        .into_iter()
        .map(|(name, value)| match value {
            Value::Null => Ok((name, String::new())),
            Value::String(text) => Ok((name, text)),
            Value::Bool(_) | Value::Number(_) => Ok((name, value.to_string())),
            Value::Array(_) | Value::Object(_) => Err(BadBody::Value(name)),
        })
        .collect()
}

fn is_json(headers: &HeaderMap, name: header::HeaderName) -> bool {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("application/json"))
}

/// A browser's form goes back to the page; a program gets JSON.
fn answer(headers: &HeaderMap, json: Value) -> Response {
    let browser = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("text/html"));
    if browser {
        Redirect::to("/").into_response()
    } else {
        Json(json).into_response()
    }
}

fn unprocessable(error: impl std::fmt::Display) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n")).into_response()
}

async fn reply(State(phone): State<Phone>, headers: HeaderMap, body: Bytes) -> Response {
    let settings = match settings(&headers, &body) {
        Ok(settings) => settings,
        Err(error) => return unprocessable(error),
    };
    let text = settings
        .into_iter()
        .find(|(name, _)| name == "body")
        .map(|(_, value)| value)
        .unwrap_or_default();
    match phone.reply(&text).await {
        Ok(replied) => answer(&headers, replied.json()),
        Err(error) => unprocessable(error),
    }
}

async fn show_switches(State(phone): State<Phone>) -> Json<Value> {
    Json(phone.switches().json())
}

async fn set_switches(State(phone): State<Phone>, headers: HeaderMap, body: Bytes) -> Response {
    let settings = match settings(&headers, &body) {
        Ok(settings) => settings,
        Err(error) => return unprocessable(error),
    };
    let named = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    match phone.switches().with(named) {
        Ok(switches) => {
            phone.set_switches(switches.clone());
            answer(&headers, switches.json())
        }
        Err(error) => unprocessable(error),
    }
}

async fn reset_switches(State(phone): State<Phone>, headers: HeaderMap) -> Response {
    let switches = crate::Switches::default();
    phone.set_switches(switches.clone());
    answer(&headers, switches.json())
}
