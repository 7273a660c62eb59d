//! `polis send`: a signed webhook, as a provider would send it.

use jiff::Timestamp;

use super::{
    exchange::Exchange,
    given,
    screen::Screen,
    secrets::SecretFiles,
    trouble::{Found, Trouble},
};
use crate::{
    destination::Destination,
    diagnosis::{Preset, ToSign, preset_names, sign},
    event_payload::{Happened, Payload},
    outbound::Outgoing,
};

/// Send a webhook with a valid signature
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The secret comes from POLIS_SECRETS or a file, never from the command line. --unsigned sends without a signature.

For https, SSL_CERT_FILE names a file with the certificates to trust, such as a test server's own (on Linux).

Exit code: 0 for a 2xx answer, 1 for any other, 2 if there was none.

Examples:
  POLIS_SECRETS=whsec_… polis send http://localhost:3000/hooks --event random_number:generate --data 863
  polis send http://localhost:3000 --provider github --secrets-file secret.txt
  polis send http://localhost:3000 --provider twilio --event delivered --data '{\"MessageSid\":\"SM1\"}'"
)]
pub(super) struct Send {
    /// Where to send it
    #[arg(value_parser = given::destination)]
    to: Destination,
    #[arg(long, value_name = "PRESET", default_value_t = Preset::Standard, help = format!("Whose webhook it is: {}", preset_names()))]
    provider: Preset,
    /// The event's type; Twilio's is its MessageStatus
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// The event's data as JSON: 863, '{"a":1}', @FILE or @- for stdin; wrapped as the provider wraps it (with neither this nor --event: an event like the provider's own)
    #[arg(long, value_name = "JSON|@FILE")]
    data: Option<String>,
    /// The whole body instead, byte for byte
    #[arg(long, value_name = "TEXT|@FILE", conflicts_with = "data")]
    body: Option<String>,
    /// Id of the event and delivery; reuse one to make another attempt (default: a new id)
    #[arg(long)]
    id: Option<String>,
    /// An additional header, repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = given::header_to_send)]
    header: Vec<(String, String)>,
    /// Send it without a signature
    #[arg(long, conflicts_with = "secrets_file")]
    unsigned: bool,
    #[command(flatten)]
    secrets: SecretFiles,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let id = self
            .id
            .clone()
            .unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        if http::HeaderValue::from_str(&id).is_err() {
            return Err(Trouble::Given(
                "--id has characters that are not allowed in a header".into(),
            ));
        }
        let payload = self.payload(&id)?;
        let signed = if self.unsigned {
            Vec::new()
        } else {
            sign(
                self.provider,
                &self.secrets.signing(self.provider)?,
                &ToSign {
                    id: &id,
                    at: Timestamp::now(),
                    url: self.to.text(),
                    content_type: Some(payload.content_type),
                    body: &payload.body,
                },
            )
            .map_err(|error| Trouble::Given(error.to_string()))?
        };
        let request = self.request(payload, signed);
        let exchange = Exchange::make(&self.to.url, request).await?;
        exchange.show(&mut Screen::new(), self.json)
    }

    fn payload(&self, id: &str) -> Result<Payload, Trouble> {
        if let Some(body) = &self.body {
            let body = given::text_or_file(body)?;
            return Ok(Payload::whole(self.provider, self.event.as_deref(), body));
        }
        let data = self.data.as_deref().map(given::text_or_file).transpose()?;
        Payload::of(
            self.provider,
            &Happened {
                id,
                kind: self.event.as_deref(),
                data: data.as_deref(),
                at: Timestamp::now(),
            },
        )
        .map_err(Trouble::Given)
    }

    /// What was given by flag takes the place of what polis would write.
    fn request(&self, payload: Payload, signed: Vec<(String, String)>) -> Outgoing {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            own("Host", self.to.authority()),
            own("User-Agent", concat!("polis/", env!("CARGO_PKG_VERSION"))),
            own("Content-Type", payload.content_type),
        ];
        headers.extend(payload.headers);
        headers.extend(signed);
        headers.retain(|(name, _)| {
            !self
                .header
                .iter()
                .any(|(given, _)| given.eq_ignore_ascii_case(name))
        });
        headers.extend(self.header.iter().cloned());
        Outgoing {
            method: "POST".to_owned(),
            target: self.to.target().unwrap_or("/").as_bytes().to_vec(),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, value.into_bytes()))
                .collect(),
            body: payload.body.into(),
        }
    }
}
