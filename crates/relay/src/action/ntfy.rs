//! A push message to a phone, through ntfy.

use http::{HeaderValue, header};
use minijinja::Value;
use serde_json::json;
use url::Url;

use super::{
    attempt::{Attempt, cut},
    keys::Keys,
    request::Post,
};
use crate::template::{Escape, RenderError, Template};

/// ntfy turns a longer message into an attachment.
const MESSAGE_CHARS_MAX: usize = 1_000;
const TITLE_CHARS_MAX: usize = 250;
const PRIORITY_DEFAULT: u32 = 3;

/// The topic that a message goes to, and what it says.
#[derive(Debug)]
pub(crate) struct Ntfy {
    url: Url,
    topic: String,
    token: Option<HeaderValue>,
    title: Option<Template>,
    text: Template,
    priority: u32,
    tags: Vec<String>,
}

impl Ntfy {
    pub(super) fn read(keys: &Keys<'_>) -> Option<Self> {
        let section = keys.section;
        let url = match section.text("url") {
            Some(text) => keys.checked_url("url", &text),
            None => Url::parse("https://ntfy.sh").ok(),
        };
        let topic = section.required("topic");
        let token = section.text("token").and_then(|token| {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.text)).ok();
            if value.is_none() {
                section.fault(
                    &token.span,
                    "token has characters that a header cannot contain",
                );
            }
            value
        });
        let title = keys.optional_template("title", Escape::Line);
        let text = keys.template("text", Escape::Plain);
        let priority = section
            .integer("priority", 1..=5)
            .unwrap_or(PRIORITY_DEFAULT);
        let tags = section
            .texts("tags")
            .into_iter()
            .map(|tag| tag.text)
            .collect();
        Some(Self {
            url: url?,
            topic: topic?.text,
            token,
            title,
            text: text?,
            priority,
            tags,
        })
    }

    pub(super) fn prepare(&self, values: &Value, attempt: &Attempt) -> Result<Post, RenderError> {
        let text = cut(&self.text.render(values)?, MESSAGE_CHARS_MAX);
        // Sent as JSON, not as headers: a title cannot end its line.
        let mut body = json!({
            "topic": self.topic,
            "message": attempt.noted(text),
            "priority": self.priority,
            "tags": self.tags,
        });
        if let Some(title) = &self.title {
            body["title"] = cut(&title.render(values)?, TITLE_CHARS_MAX).into();
        }
        let mut post = Post::json("ntfy", &self.url, &body);
        if let Some(token) = &self.token {
            post.headers.insert(header::AUTHORIZATION, token.clone());
        }
        Ok(post)
    }
}
