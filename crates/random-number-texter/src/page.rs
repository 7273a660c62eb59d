//! `GET /`: the page that says the texter is up, and shows the last texts.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    extract::State,
    response::{Html, IntoResponse, Response},
};
use http::{StatusCode, header};

use crate::{
    outcome::words,
    text::{State as TextState, Text},
    texter::Texter,
};

/// As many as fit on a screen or two.
const TEXTS_SHOWN: u32 = 20;

/// The page's styles and scripts.
pub(crate) static ASSETS: LazyLock<serve::Assets> = LazyLock::new(
    || serve::assets!("../../../templates/random-number-texter/": "texter.css", "icon.svg"),
);

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    pages: Vec<serve::PageLink>,
    to: String,
    is_signed: bool,
    has_reports: bool,
    counted: u32,
    daily_limit: u32,
    texts: Vec<Line>,
}

/// One text of the list.
struct Line {
    body: String,
    event_id: Option<String>,
    at: String,
    at_words: String,
    status: &'static str,
    tone: &'static str,
    reason: Option<String>,
}

impl Line {
    fn of(text: Text) -> Self {
        let (status, tone) = match text.state {
            TextState::Claimed => ("being given to Twilio", "soft"),
            TextState::Released => ("waiting: not sent yet", "warn"),
            TextState::InDoubt => ("not known: Twilio gave no clear answer", "warn"),
            TextState::Queued => ("queued at Twilio", "soft"),
            TextState::Sending => ("on its way to the carrier", "soft"),
            TextState::Sent => ("sent to the carrier", "ok"),
            TextState::Delivered => ("delivered", "ok"),
            TextState::Undelivered => ("not delivered", "bad"),
            TextState::Failed => ("failed", "bad"),
            TextState::Refused => ("refused by Twilio", "bad"),
        };
        Self {
            status,
            tone,
            reason: text.reason.as_ref().map(|reason| words(Some(reason))),
            at: text.updated_at.to_string(),
            at_words: text
                .updated_at
                .strftime("%-d %B %Y, %H:%M:%S UTC")
                .to_string(),
            body: text.body,
            event_id: text.event_id,
        }
    }
}

/// The page.
pub(crate) async fn page(State(texter): State<Texter>) -> Response {
    let parts = texter.parts();
    let read = async {
        let texts = parts.ledger.latest(TEXTS_SHOWN).await?;
        Ok::<_, crate::ledger::LedgerError>((texts, parts.ledger.counted(parts.now()).await?))
    };
    let (texts, counted) = match read.await {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(%error, "the page could not be filled");
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "The texter's store failed; its log says why. Try again later.\n",
            )
                .into_response();
        }
    };
    let page = Page {
        pages: parts.pages.seen_from("texter"),
        to: parts.to.to_string(),
        is_signed: parts.webhooks.is_some(),
        has_reports: parts.callbacks.is_some(),
        counted,
        daily_limit: parts.daily_limit,
        texts: texts.into_iter().map(Line::of).collect(),
    };
    match page.render() {
        Ok(html) => ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
