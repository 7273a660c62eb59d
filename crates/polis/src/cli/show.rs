//! `polis show`: one request, as the log shows it, as its bytes, or as a command.

use bytes::Bytes;

use super::{
    client::{Api, Client},
    screen::Screen,
    trouble::{Found, Trouble},
};
use crate::{
    curl,
    diagnosis::Verdict,
    recall,
    terminal::{Ink, escaped},
};

/// How much of the signed string is shown; `--json` has 64 KiB of it.
const SIGNED_CHARS: usize = 2000;

/// Without a signature header, the id and time of the signed string are missing as well: the rest
/// would look like something that was signed.
pub(super) const NOTHING_SIGNED: &str =
    "there is no signature header, so there is no signed string to compare";

/// Show one captured request: headers, body, signature, answer
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  polis show 17
  polis show 17 --raw | sha256sum                     the body, byte for byte
  polis show 17 --headers --raw --show-secrets > request.http
  polis show 17 --curl --show-secrets | sh            send it again")]
pub(super) struct Show {
    /// The request's number
    id: u64,
    /// The body's exact bytes; with --headers the whole request
    #[arg(long, conflicts_with_all = ["curl", "json"])]
    raw: bool,
    /// Request line and headers as received
    #[arg(long, conflicts_with_all = ["curl", "json"])]
    headers: bool,
    /// A curl command that sends the same
    #[arg(long)]
    curl: bool,
    /// One JSON object
    #[arg(long, conflicts_with = "curl")]
    json: bool,
    /// Show credentials as they are
    #[arg(long)]
    show_secrets: bool,
    #[command(flatten)]
    api: Api,
}

impl Show {
    pub(super) async fn run(self) -> Result<Found, Trouble> {
        let client = Client::new(&self.api)?;
        let mut screen = Screen::new();
        let captured = client.captured(self.id, self.show_secrets).await?;
        if self.json {
            screen.json(&captured)?;
            return Ok(Found::Yes);
        }
        if self.headers || self.raw {
            let mut bytes = Vec::new();
            if self.headers {
                bytes = recall::head(&captured);
            }
            if self.raw && captured.method.is_empty() {
                // It could not be read as a request: the received bytes are all there is.
                bytes = recall::record(&captured, Bytes::new()).first_bytes.to_vec();
            } else if self.raw {
                bytes.extend_from_slice(&client.body(self.id).await?);
            }
            screen.bytes(&bytes)?;
            return Ok(Found::Yes);
        }
        let record = recall::record(&captured, recall::body(&captured));
        if self.curl {
            let command = curl::command(&record).map_err(Trouble::Given)?;
            screen.put(command.as_bytes())?;
            return Ok(Found::Yes);
        }
        let mut text = Vec::new();
        screen.human.whole(&mut text, &record);
        if let Some(signature) = captured
            .signature
            .filter(|signature| signature.verdict != Verdict::Ok)
        {
            // The first line has already shown the first one.
            let further = signature.findings.iter().flatten();
            for finding in further.filter(|finding| finding.text != signature.text) {
                let line = format!("  sig: {}\n", escaped(&finding.text));
                screen.human.put(&mut text, Ink::Bad, &line);
            }
            if signature.verdict == Verdict::Missing {
                text.extend_from_slice(format!("  {NOTHING_SIGNED}\n").as_bytes());
            } else if let Some(signed) = signature.signed.filter(|signed| !signed.is_empty()) {
                let mut shown: String = signed.chars().take(SIGNED_CHARS).collect();
                if shown.len() < signed.len() {
                    shown.push('…');
                }
                text.extend_from_slice(format!("  to be signed: {}\n", escaped(&shown)).as_bytes());
            }
        }
        screen
            .human
            .answer_line(&mut text, &record, recall::answered_at(&record));
        screen.put(&text)?;
        Ok(Found::Yes)
    }
}
