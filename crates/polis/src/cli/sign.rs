//! `polis sign`: prints the headers that make a body verifiable.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{
    given,
    screen::Screen,
    secrets::SecretFiles,
    trouble::{Found, Trouble},
};
use crate::{
    destination::Destination,
    diagnosis::{Preset, ToSign, preset_names, sign},
};

/// Print the headers a signed body goes out with: its signature, and its type
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0, or 2 if it could not be signed.

Example, with the secret in POLIS_SECRETS:
  polis sign body.json | curl -H @- --data-binary @body.json http://localhost:3000/hooks")]
pub(super) struct Sign {
    /// The body, byte for byte; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    #[arg(long, value_name = "PRESET", default_value_t = Preset::Standard, help = format!("Whose signature: {}", preset_names()))]
    provider: Preset,
    /// Id of the delivery (default: a new one)
    #[arg(long)]
    id: Option<String>,
    /// Time of signing, in seconds since 1970 or like 2026-01-31T12:00:00Z (default: now)
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// The URL it goes to, exactly as written; Twilio signs it
    #[arg(long, value_parser = given::destination)]
    url: Option<Destination>,
    /// The body's type (application/json when it is JSON; Twilio's is a form, whose parameters are signed)
    #[arg(long, value_name = "TYPE", value_parser = media_type)]
    content_type: Option<String>,
    #[command(flatten)]
    secrets: SecretFiles,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Seconds since 1970, or RFC 3339.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "write a time like 1700000000 or 2026-01-31T12:00:00Z".to_owned())
}

fn media_type(text: &str) -> Result<String, String> {
    http::HeaderValue::from_str(text)
        .map(|_| text.to_owned())
        .map_err(|_| "it has characters that are not allowed in a header".to_owned())
}

/// The content type that the provider would give this body. It must be given: without it, curl and
/// others call every body a form, which receivers of JSON refuse.
fn usual_type(provider: Preset, body: &[u8]) -> Option<&'static str> {
    if provider == Preset::Twilio {
        return Some("application/x-www-form-urlencoded");
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(body)
        .is_ok()
        .then_some("application/json")
}

impl Sign {
    pub(super) fn run(self) -> Result<Found, Trouble> {
        if self.provider == Preset::Twilio && self.url.is_none() {
            return Err(Trouble::Given(
                "Twilio signs the URL it calls; give it with --url".into(),
            ));
        }
        let secret = self.secrets.signing(self.provider)?;
        let body = given::file(&self.file)?;
        let content_type = self
            .content_type
            .or_else(|| usual_type(self.provider, &body).map(str::to_owned));
        let id = self.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let mut headers = sign(
            self.provider,
            &secret,
            &ToSign {
                id: &id,
                at: self.at.unwrap_or_else(Timestamp::now),
                url: self.url.as_ref().map_or("", Destination::text),
                content_type: content_type.as_deref(),
                body: &body,
            },
        )
        .map_err(|error| Trouble::Given(error.to_string()))?;
        headers.extend(content_type.map(|kind| ("content-type".to_owned(), kind)));
        let mut screen = Screen::new();
        if self.json {
            let object: serde_json::Map<_, _> = headers
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect();
            screen.json(&object)?;
        } else {
            for (name, value) in headers {
                screen.line(&format!("{name}: {value}"))?;
            }
        }
        Ok(Found::Yes)
    }
}
