//! A message to a channel, through an incoming webhook of Slack, Mattermost or Discord.

use minijinja::Value;
use serde_json::json;
use url::Url;

use super::{
    attempt::{Attempt, REPEAT_NOTE, cut},
    keys::Keys,
    request::Post,
};
use crate::template::{Escape, RenderError, Template};

/// Where a message goes.
#[derive(Debug)]
pub(crate) struct Chat {
    service: Service,
    url: Url,
    text: Template,
}

#[derive(Debug, Clone, Copy)]
enum Service {
    Slack,
    Mattermost,
    Discord,
}

impl Service {
    fn of(kind: &str) -> Self {
        match kind {
            "discord" => Self::Discord,
            "mattermost" => Self::Mattermost,
            _ => Self::Slack,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Slack => "Slack",
            Self::Mattermost => "Mattermost",
            Self::Discord => "Discord",
        }
    }

    fn escape(self) -> Escape {
        match self {
            Self::Slack => Escape::Slack,
            Self::Mattermost => Escape::Mattermost,
            Self::Discord => Escape::Discord,
        }
    }

    /// The longest message, as each service documents it.
    fn chars_max(self) -> usize {
        match self {
            Self::Slack => 40_000,
            Self::Mattermost => 16_383,
            Self::Discord => 2_000,
        }
    }

    fn body(self, text: &str) -> serde_json::Value {
        match self {
            // Slack cannot escape *, _, ~ and `: so nothing in the text is treated as formatting.
            Self::Slack => json!({"text": text, "mrkdwn": false}),
            Self::Mattermost => json!({"text": text}),
            // Whatever the text says, nobody is notified.
            Self::Discord => json!({"content": text, "allowed_mentions": {"parse": []}}),
        }
    }
}

impl Chat {
    pub(super) fn read(kind: &str, keys: &Keys<'_>) -> Option<Self> {
        let service = Service::of(kind);
        let url = keys.url("url");
        let text = keys.template("text", service.escape());
        let mut url = url?;
        if matches!(service, Service::Discord) {
            // Without it, Discord answers before it has looked at the message.
            url.query_pairs_mut().append_pair("wait", "true");
        }
        Some(Self {
            service,
            url,
            text: text?,
        })
    }

    pub(super) fn prepare(&self, values: &Value, attempt: &Attempt) -> Result<Post, RenderError> {
        let text = self.text.render(values)?;
        // Leaves room for the note.
        let text = cut(&text, self.service.chars_max() - REPEAT_NOTE.len() - 2);
        let body = self.service.body(&attempt.noted(text));
        Ok(Post::json(self.service.name(), &self.url, &body))
    }
}
