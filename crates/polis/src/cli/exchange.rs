//! A request that a verb sends, and its answer.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use url::Url;

use super::{
    screen::{Screen, tell},
    trouble::{Found, Trouble},
};
use crate::{
    captured::CapturedHeader,
    content::Content,
    outbound::{AppAnswer, Outbound, Outgoing, Reach},
    redact::Redactor,
    terminal::{Ink, escaped},
};

/// How much of an answer is read.
const ANSWER_BYTES: usize = 10 * 1024 * 1024;

/// A request and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    to: Url,
    sent: Outgoing,
    answer: AppAnswer,
    after: Duration,
}

impl Exchange {
    /// Sends to the URL's scheme, host and port; path and query are the request's own.
    pub(super) async fn make(to: &Url, request: Outgoing) -> Result<Self, Trouble> {
        let begun = Instant::now();
        let answer = Outbound::new(ANSWER_BYTES)
            .send(to, request.clone(), Reach::Anywhere)
            .await
            .map_err(|error| Trouble::Unanswered {
                url: shown(to, &request.target),
                error,
            })?;
        if let Some(broken) = &answer.broken {
            tell(&format!("the answer is incomplete: {broken}"));
        }
        Ok(Self {
            to: to.clone(),
            sent: request,
            answer,
            after: begun.elapsed(),
        })
    }

    /// The status that was answered.
    pub(super) fn status(&self) -> u16 {
        self.answer.status
    }

    /// Prints both, and returns whether the answer is a 2xx.
    pub(super) fn show(&self, screen: &mut Screen, json: bool) -> Result<Found, Trouble> {
        if json {
            screen.json(&self.told())?;
        } else {
            let text = self.text(screen);
            screen.put(&text)?;
        }
        Ok(Found::of((200..300).contains(&self.answer.status)))
    }

    fn text(&self, screen: &Screen) -> Vec<u8> {
        let human = &screen.human;
        let mut text = Vec::new();
        let url = shown(&self.to, &self.sent.target);
        human.put(
            &mut text,
            Ink::Strong,
            &format!("{} {}\n", self.sent.method, escaped(&url)),
        );
        put_headers(screen, &mut text, &self.sent.headers);
        human.body(&mut text, content(&self.sent.body), &self.sent.body);
        text.push(b'\n');
        let status = self.answer.status;
        let ink = if (200..300).contains(&status) {
            Ink::Good
        } else {
            Ink::Bad
        };
        text.extend_from_slice(b"-> ");
        human.put(&mut text, ink, &status.to_string());
        text.extend_from_slice(
            format!(" after {:.1} ms\n", self.after.as_secs_f64() * 1e3).as_bytes(),
        );
        put_headers(screen, &mut text, &self.answer.headers);
        human.body(&mut text, content(&self.answer.body), &self.answer.body);
        text
    }

    /// The same as data.
    fn told(&self) -> Value {
        json!({
            "url": shown(&self.to, &self.sent.target),
            "request": {
                "method": self.sent.method,
                "headers": told_headers(&self.sent.headers),
                "body": told_body(&self.sent.body),
            },
            "answer": {
                "status": self.answer.status,
                "headers": told_headers(&self.answer.headers),
                "body": told_body(&self.answer.body),
                "after_ms": (self.after.as_secs_f64() * 1e6).round() / 1e3,
            },
        })
    }
}

fn told_body(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "size": bytes.len(), "text": text }),
        Err(_) => json!({ "size": bytes.len(), "base64": STANDARD.encode(bytes) }),
    }
}

fn shown(to: &Url, target: &[u8]) -> String {
    let origin = &to[..url::Position::AfterPort];
    format!("{origin}{}", String::from_utf8_lossy(target))
}

fn content(body: &[u8]) -> Content {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => {
            Content::Json
        }
        _ => Content::Text,
    }
}

fn redacted(headers: &[(String, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let redactor = Redactor::default();
    headers
        .iter()
        .map(|(name, value)| {
            let shown = match redactor.value(name, value) {
                Some(text) => text.into_owned().into_bytes(),
                None => value.clone(),
            };
            (name.clone(), shown)
        })
        .collect()
}

fn put_headers(screen: &Screen, text: &mut Vec<u8>, headers: &[(String, Vec<u8>)]) {
    let shown = redacted(headers);
    let pairs = shown
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_slice()));
    screen.human.headers(text, pairs);
}

fn told_headers(headers: &[(String, Vec<u8>)]) -> Vec<CapturedHeader> {
    redacted(headers)
        .into_iter()
        .map(|(name, value)| CapturedHeader {
            name,
            value: String::from_utf8_lossy(&value).into_owned(),
            value_base64: std::str::from_utf8(&value)
                .is_err()
                .then(|| STANDARD.encode(&value)),
        })
        .collect()
}
