//! Signs as a sender would: for requests that are replayed, sent or signed on demand.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{Preset, SigningSecret, asymmetric, twilio};
use crate::wire::Head;

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct ToSign<'a> {
    /// The delivery's id, for schemes that sign it.
    pub id: &'a str,
    /// When it is signed.
    pub at: Timestamp,
    /// The URL it will be sent to, for schemes that sign it.
    pub url: &'a str,
    /// The body's media type, for schemes that sign parameters.
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The headers that make a request verifiable under this preset.
#[must_use]
pub fn sign(preset: Preset, secret: &SigningSecret, what: &ToSign<'_>) -> Vec<(String, String)> {
    let key = secret.key(preset);
    let time = what.at.as_second().to_string();
    let header = |name: &str, value: String| (name.to_owned(), value);
    match preset {
        Preset::Standard => {
            let content = [what.id.as_bytes(), b".", time.as_bytes(), b".", what.body].concat();
            let signature = match asymmetric::signed(secret, &content) {
                Some(signature) => format!("v1a,{signature}"),
                None => format!("v1,{}", STANDARD.encode(preset.mac(&key, &[&content]))),
            };
            vec![
                header("webhook-id", what.id.to_owned()),
                header("webhook-timestamp", time),
                header("webhook-signature", signature),
            ]
        }
        Preset::Github => {
            let mac = preset.mac(&key, &[what.body]);
            vec![
                header("X-GitHub-Delivery", what.id.to_owned()),
                header(
                    "X-Hub-Signature-256",
                    format!("sha256={}", hex::encode(mac)),
                ),
            ]
        }
        Preset::Stripe => {
            let mac = preset.mac(&key, &[time.as_bytes(), b".", what.body]);
            vec![header(
                "Stripe-Signature",
                format!("t={time},v1={}", hex::encode(mac)),
            )]
        }
        Preset::Slack => {
            let mac = preset.mac(&key, &[b"v0:", time.as_bytes(), b":", what.body]);
            vec![
                header("X-Slack-Request-Timestamp", time),
                header("X-Slack-Signature", format!("v0={}", hex::encode(mac))),
            ]
        }
        Preset::Shopify => {
            let mac = preset.mac(&key, &[what.body]);
            vec![
                header("X-Shopify-Webhook-Id", what.id.to_owned()),
                header("X-Shopify-Hmac-SHA256", STANDARD.encode(mac)),
            ]
        }
        Preset::Twilio => {
            let parameters = form_parameters(what);
            let mac = preset.mac(&key, &[what.url.as_bytes(), &parameters]);
            vec![header("X-Twilio-Signature", STANDARD.encode(mac))]
        }
    }
}

fn form_parameters(what: &ToSign<'_>) -> Vec<u8> {
    let Some(kind) = what.content_type else {
        return Vec::new();
    };
    let head = format!("POST / HTTP/1.1\r\ncontent-type: {kind}\r\n\r\n");
    Head::parse(head.into())
        .map(|head| twilio::parameters(&head, what.body))
        .unwrap_or_default()
}
