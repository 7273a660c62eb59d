//! Twilio's Messages API: who may call it, its routes and its answers.

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{FromRequestParts, Path, RawQuery, State, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    account::{Account, is_sid},
    draft::Draft,
    exchange::{Exchange, Tone},
    listing::Listing,
    message::{Direction, Message, Status},
    phone::Phone,
    refusal::Refusal,
    switches::Answer,
};

/// How much of a refusal the page shows, in characters.
const LONGEST_SAID: usize = 200;

type Form = Vec<(String, String)>;

/// The routes of the API.
pub(crate) fn routes() -> Router<Phone> {
    Router::new()
        .route(
            "/2010-04-01/Accounts/{account}/Messages.json",
            get(list).post(create).fallback(wrong_method),
        )
        .route(
            "/2010-04-01/Accounts/{account}/Messages/{file}",
            get(fetch)
                .post(update)
                .delete(delete)
                .fallback(wrong_method),
        )
        .route("/2010-04-01/{*rest}", axum::routing::any(unknown))
}

/// A call with the account's credentials, to the account's own paths.
struct Authorized {
    path: String,
}

impl FromRequestParts<Phone> for Authorized {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, phone: &Phone) -> Result<Self, Refusal> {
        let header = parts.headers.get(header::AUTHORIZATION);
        let allowed = header
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| may_call(value, phone.account()));
        if !allowed {
            phone.note(Exchange {
                at: phone.now(),
                what: format!("{} of the API", parts.method),
                outcome: "refused with 401, code 20003: wrong account SID or token".to_owned(),
                tone: Tone::Bad,
            });
            return Err(Refusal::Unauthenticated);
        }
        let path = parts.uri.path();
        let account = path.split('/').nth(3).unwrap_or_default();
        if account != phone.account().sid.as_str() {
            return Err(Refusal::NotFound(path.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

/// Whether a header holds the account's SID and token, or an API key whose secret is the token.
fn may_call(header: &str, account: &Account) -> bool {
    let Some((scheme, credentials)) = header.split_once(' ') else {
        return false;
    };
    let decoded = STANDARD.decode(credentials.trim()).unwrap_or_default();
    let decoded = String::from_utf8(decoded).unwrap_or_default();
    let (user, password) = decoded.split_once(':').unwrap_or_default();
    let known = user == account.sid.as_str() || is_sid(user, "SK");
    scheme.eq_ignore_ascii_case("basic") && account.token.matches(password) && known
}

async fn create(
    State(phone): State<Phone>,
    _: Authorized,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let answer = phone.take_answer();
    let outcome = match answer {
        Answer::Accept | Answer::AcceptThenDrop => take(&phone, body).map(Some),
        Answer::TooManyRequests => Err(Refusal::TooManyRequests),
        Answer::QueueFull => Err(Refusal::QueueFull),
        Answer::ServerError => Err(Refusal::ServerError),
        Answer::Drop => Ok(None),
    };
    let (said, tone) = say(answer, &outcome);
    phone.note(Exchange {
        at: phone.now(),
        what: "Send a text".to_owned(),
        outcome: said,
        tone,
    });
    // The delay comes after the text was accepted: a client that gives up cannot know that it was.
    let _ = phone.rest(phone.switches().slow).await;
    match outcome {
        Err(refusal) => {
            // Without the refusal's words, which may contain a phone number.
            tracing::info!(
                refusal.code = refusal.code(),
                "refused a text with Twilio's error {}",
                refusal.code()
            );
            refusal.into_response()
        }
        Ok(Some(message)) if answer != Answer::AcceptThenDrop => (
            StatusCode::CREATED,
            Json(message.json(&phone.account().sid)),
        )
            .into_response(),
        Ok(_) => {
            tracing::info!(
                switch = answer.name(),
                "dropped the connection of a request to send a text, as the switch says"
            );
            dropped_connection()
        }
    }
}

/// What the page says about a request to send.
fn say(answer: Answer, outcome: &Result<Option<Message>, Refusal>) -> (String, Tone) {
    let switched = match answer {
        Answer::Accept => "",
        _ => " (switch)",
    };
    match outcome {
        Ok(None) => (
            format!("connection dropped, no text accepted{switched}"),
            Tone::Bad,
        ),
        Ok(Some(_)) if answer == Answer::AcceptThenDrop => (
            format!("text accepted, then the connection dropped{switched}"),
            Tone::Bad,
        ),
        Ok(Some(message)) => (format!("answered 201, {}", message.status), Tone::Good),
        Err(refusal) => (
            format!(
                "refused with {}, code {}: {}{switched}",
                refusal.status().as_u16(),
                refusal.code(),
                // A refusal quotes what was sent, however long that is.
                refusal
                    .to_string()
                    .chars()
                    .take(LONGEST_SAID)
                    .collect::<String>(),
            ),
            Tone::Bad,
        ),
    }
}

fn take(phone: &Phone, body: Result<Bytes, BytesRejection>) -> Result<Message, Refusal> {
    let draft = Draft::read(&form(body)?, phone.account(), phone.now())?;
    let status = match (&draft.due_at, &draft.from) {
        (Some(_), _) => Status::Scheduled,
        (None, None) => Status::Accepted,
        (None, Some(_)) => Status::Queued,
    };
    phone.set_out(phone.message(Direction::OutboundApi, status, draft))
}

/// The fields of a posted form; a body that cannot be read is treated as too long.
fn form(body: Result<Bytes, BytesRejection>) -> Result<Form, Refusal> {
    let body = body.map_err(|_| Refusal::BodyTooLong)?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

/// Closes the connection without a byte of answer: a body that fails before its first byte makes
/// the server drop the connection while the answer's head is still waiting to be written.
fn dropped_connection() -> Response {
    let failing = futures_util::stream::once(std::future::ready(Err::<Bytes, _>(
        std::io::Error::other("the connection is dropped because a switch says so"),
    )));
    Response::new(Body::from_stream(failing))
}

async fn list(
    State(phone): State<Phone>,
    _: Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let page = Listing::read(query)?.json(&phone.messages(), &phone.account().sid);
    Ok(Json(page).into_response())
}

async fn fetch(
    State(phone): State<Phone>,
    authorized: Authorized,
    Path((_, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let message = find(&phone, authorized, &file)?;
    Ok(Json(message.json(&phone.account().sid)).into_response())
}

/// Redacts (`Body=`) or cancels (`Status=canceled`) a text.
async fn update(
    State(phone): State<Phone>,
    authorized: Authorized,
    Path((_, file)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let path = authorized.path.clone();
    let mut message = find(&phone, authorized, &file)?;
    let form = form(body)?;
    let field = |name: &str| {
        form.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let now = phone.now();
    if let Some(status) = field("Status").filter(|status| !status.is_empty()) {
        if status != "canceled" {
            return Err(Refusal::Parameter {
                name: "Status",
                reason: "it can only become canceled",
            });
        }
        message = phone
            .inbox()
            .update(message.sid.as_str(), now, |message| {
                let waits = message.status == Status::Scheduled;
                if waits {
                    message.status = Status::Canceled;
                }
                waits
            })
            .ok_or(Refusal::NotFound(path))?
            .map_err(|_| Refusal::NotCancelable)?;
        phone.report(message.clone());
    } else if let Some(body) = field("Body") {
        if !body.is_empty() {
            return Err(Refusal::Parameter {
                name: "Body",
                reason: "it can only become empty",
            });
        }
        message = phone
            .inbox()
            .redact(message.sid.as_str(), now)
            .ok_or(Refusal::NotFound(path))?
            .map_err(|_| Refusal::NotComplete)?;
    }
    Ok(Json(message.json(&phone.account().sid)).into_response())
}

async fn delete(
    State(phone): State<Phone>,
    authorized: Authorized,
    Path((_, file)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let path = authorized.path.clone();
    let message = find(&phone, authorized, &file)?;
    phone
        .inbox()
        .remove(message.sid.as_str(), |message| message.status.is_final())
        .ok_or(Refusal::NotFound(path))?
        .map_err(|_| Refusal::NotComplete)?;
    Ok(StatusCode::NO_CONTENT)
}

fn find(phone: &Phone, authorized: Authorized, file: &str) -> Result<Message, Refusal> {
    file.strip_suffix(".json")
        .and_then(|sid| phone.inbox().get(sid))
        .ok_or(Refusal::NotFound(authorized.path))
}

async fn wrong_method(_: Authorized) -> Refusal {
    Refusal::MethodNotAllowed
}

async fn unknown(authorized: Authorized) -> Refusal {
    Refusal::NotFound(authorized.path)
}
