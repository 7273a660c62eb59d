//! A POST to any address, with the event as it is or a JSON body of templates; signed according to
//! Standard Webhooks when there is a secret.

use http::{HeaderMap, HeaderName, HeaderValue};
use minijinja::Value;
use serde_json::json;
use url::Url;
use webhooks_core::Secret;

use super::{attempt::Attempt, body::Body, keys::Keys, request::Post};
use crate::{reading::Section, template::RenderError};

/// Where an event is forwarded to.
#[derive(Debug)]
pub(crate) struct Call {
    url: Url,
    headers: HeaderMap,
    secret: Option<Secret>,
    body: Option<Body>,
}

impl Call {
    pub(super) fn read(keys: &Keys<'_>) -> Option<Self> {
        let section = keys.section;
        let url = keys.url("url");
        let headers = headers(section);
        let secret = section.text("secret").and_then(|text| {
            let secret: Result<Secret, _> = text.text.parse();
            match secret {
                Ok(secret) if secret.can_sign() => Some(secret),
                Ok(_) => {
                    section.fault(
                        &text.span,
                        "secret can only verify; give the one that signs",
                    );
                    None
                }
                Err(error) => {
                    section.fault(&text.span, format_args!("secret: {error}"));
                    None
                }
            }
        });
        let body = section.section("body").map(|body| Body::table(keys, &body));
        Some(Self {
            url: url?,
            headers,
            secret,
            body,
        })
    }

    pub(super) fn prepare(&self, values: &Value, attempt: &Attempt) -> Result<Post, RenderError> {
        let body = match &self.body {
            Some(body) => body.render(values)?,
            None => {
                let of = |name: &str| values.get_attr(name).unwrap_or_default();
                json!({"id": of("id"), "event": of("event"), "data": of("data")})
            }
        };
        let mut post = Post::json("the address", &self.url, &body);
        post.headers = self.headers.clone();
        let id = &attempt.entry.event;
        post.sign(self.secret.as_ref(), id, attempt.now);
        Ok(post)
    }
}

/// The table `headers`: the operator's own names and values.
pub(super) fn headers(section: &Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(table) = section.section("headers") else {
        return headers;
    };
    for (key, value) in table.entries() {
        let Some(text) = table.entry_text(&key, value) else {
            continue;
        };
        let name = HeaderName::from_bytes(key.text.as_bytes());
        match (name, HeaderValue::from_str(&text.text)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            (Err(_), _) => table.fault(
                &key.span,
                format_args!("\"{}\" is not a valid header name", key.text),
            ),
            (_, Err(_)) => table.fault(
                &text.span,
                format_args!("{} has characters that a header cannot contain", key.text),
            ),
        }
    }
    headers
}
