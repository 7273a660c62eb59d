//! `polis verify`: checks a signature, and says why it is wrong.

use std::{borrow::Cow, path::PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use serve::wire::Head;

use super::{
    given,
    screen::{Screen, tell},
    secrets::SecretFiles,
    show::NOTHING_SIGNED,
    sign,
    trouble::{Found, Trouble},
};
use crate::{
    captured::CapturedSignature,
    destination::Destination,
    diagnosis::{Diagnosis, Preset, Verdict, Verification, diagnose, preset_names, preset_of},
    terminal::{Ink, escaped},
};

/// Verify a signature, or say why it is wrong
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The request is a body with its headers, or a file with both, as `polis show 17 --headers --raw --show-secrets` writes it.

Exit code: 0 if verified, 1 if not, 2 if it could not be checked.

Examples, with the secrets in POLIS_SECRETS and POLIS_OLD_SECRETS:
  polis verify body.json -H 'X-Hub-Signature-256: sha256=…'
  polis verify --request request.http --at 2026-01-31T12:00:00Z"
)]
pub(super) struct Verify {
    /// The body, byte for byte; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// A header of the request, repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = given::header, conflicts_with = "request")]
    header: Vec<(String, String)>,
    /// A file with the whole request: head, empty line, body; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    request: Option<PathBuf>,
    #[arg(long, value_name = "PRESET", help = format!("Whose signature: {} (default: whose header it has)", preset_names()))]
    provider: Option<Preset>,
    /// When it arrived, in seconds since 1970 or like 2026-01-31T12:00:00Z (default: now)
    #[arg(long, value_name = "TIME", value_parser = sign::time)]
    at: Option<Timestamp>,
    /// The URL that the sender called, as it is configured there; Twilio signs it
    #[arg(long, value_parser = given::destination)]
    url: Option<Destination>,
    #[command(flatten)]
    secrets: SecretFiles,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<Found, Trouble> {
        let (head, body) = self.read()?;
        let preset = self.provider.or_else(|| preset_of(&head)).ok_or_else(|| {
            Trouble::Given(
                "there is no known provider's signature header; name the provider with --provider"
                    .into(),
            )
        })?;
        if preset == Preset::Twilio && self.url.is_none() && head.get("host").is_none() {
            return Err(Trouble::Given(
                "Twilio signs the URL it calls; give it with --url".into(),
            ));
        }
        let secrets = self.secrets.read(preset)?;
        let verification = Verification {
            preset,
            secrets: secrets.accepted,
            old_secrets: secrets.old,
            public_url: self.url.as_ref().map(|url| url.split_text().0.to_owned()),
            enforce: false,
        };
        let now = self.at.unwrap_or_else(Timestamp::now);
        let diagnosis = diagnose(&verification, &[], &head, &body, now);
        self.show(&diagnosis, &body)?;
        Ok(Found::of(diagnosis.verdict == Verdict::Ok))
    }

    fn read(&self) -> Result<(Head, Vec<u8>), Trouble> {
        let target = self.url.as_ref().map(|url| match url.split_text().1 {
            "" => Cow::Borrowed("/"),
            query if query.starts_with('?') => Cow::Owned(format!("/{query}")),
            path => Cow::Borrowed(path),
        });
        let Some(path) = &self.request else {
            let mut raw = format!("POST {} HTTP/1.1\r\n", target.as_deref().unwrap_or("/"));
            for (name, value) in &self.header {
                raw.push_str(&format!("{name}: {value}\r\n"));
            }
            return Ok((parsed(raw.into_bytes())?, given::file(&self.file)?));
        };
        let whole = given::file(path)?;
        let (raw, body) = split(&whole);
        let head = parsed(raw.to_vec())?;
        if let Some(length) = head
            .text("content-length")
            .and_then(|text| text.parse::<usize>().ok())
            .filter(|length| *length != body.len())
        {
            tell(&format!(
                "Content-Length is {length}, but the file has {} bytes of body; all of them are checked",
                body.len()
            ));
        }
        Ok((aimed(head, target.as_deref())?, body.to_vec()))
    }

    fn show(&self, diagnosis: &Diagnosis, body: &[u8]) -> Result<(), Trouble> {
        let mut screen = Screen::new();
        let told = CapturedSignature::whole(diagnosis, body);
        if self.json {
            return screen.json(&told);
        }
        let mut out = Vec::new();
        let preset = diagnosis.preset;
        let (ink, line) = match diagnosis.verdict {
            Verdict::Ok => (Ink::Good, format!("{preset} signature {}", diagnosis.text)),
            Verdict::Failed => (Ink::Bad, format!("{preset} signature FAILED")),
            Verdict::Missing => (Ink::Odd, format!("{preset} signature missing")),
        };
        screen.human.put(&mut out, ink, &escaped(&line));
        out.push(b'\n');
        for finding in &diagnosis.findings {
            out.extend_from_slice(format!("  {}\n", escaped(&finding.text)).as_bytes());
        }
        if diagnosis.verdict == Verdict::Missing {
            out.extend_from_slice(format!("  {NOTHING_SIGNED}\n").as_bytes());
        } else if diagnosis.verdict != Verdict::Ok {
            let shown = told.signed.unwrap_or_default();
            let is_cut = told.signed_cut.unwrap_or_default();
            let dots = if is_cut { "…" } else { "" };
            out.extend_from_slice(
                format!("  to be signed: {}{dots}\n", escaped(&shown)).as_bytes(),
            );
        }
        screen.put(&out)
    }
}

fn parsed(mut raw: Vec<u8>) -> Result<Head, Trouble> {
    raw.extend_from_slice(b"\r\n");
    Head::parse(Bytes::from(raw)).map_err(|error| Trouble::Given(error.to_string()))
}

/// The lines of the head, and the rest after the first empty line.
fn split(whole: &[u8]) -> (&[u8], &[u8]) {
    let mut start = 0;
    while let Some(length) = whole[start..].iter().position(|byte| *byte == b'\n') {
        let line = &whole[start..start + length];
        let next = start + length + 1;
        if start > 0 && matches!(line, b"" | b"\r") {
            return (&whole[..start], &whole[next..]);
        }
        start = next;
    }
    (whole, b"")
}

/// The same head with another target.
fn aimed(head: Head, target: Option<&str>) -> Result<Head, Trouble> {
    let Some(target) = target else {
        return Ok(head);
    };
    let mut raw = format!("{} {target} HTTP/1.1\r\n", head.method()).into_bytes();
    for (name, value) in head.headers() {
        raw.extend_from_slice(name.as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value);
        raw.extend_from_slice(b"\r\n");
    }
    parsed(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_at_its_first_empty_line_and_the_body_stays_exact() {
        assert_eq!(
            split(b"A\r\nB: 1\r\n\r\nx\n\ny"),
            (&b"A\r\nB: 1\r\n"[..], &b"x\n\ny"[..])
        );
        assert_eq!(split(b"A\nB: 1\n\n\r\n"), (&b"A\nB: 1\n"[..], &b"\r\n"[..]));
        assert_eq!(split(b"A\r\nB: 1"), (&b"A\r\nB: 1"[..], &b""[..]));
    }
}
