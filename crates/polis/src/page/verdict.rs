//! The card about a signature: the cause, what to do, and where the signed body differs from the
//! received one.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use similar::{Algorithm, DiffTag};

use super::body::visible;
use crate::{
    api::shared::Shared,
    captured::CapturedSignature,
    diagnosis::{FindingKind, Verdict, signed_body},
    record::Record,
};

/// Maximum size of bodies that are compared letter by letter, for a person to look at.
const COMPARED_BYTES_MAX: usize = 64 * 1024;
/// Beyond this they are compared more coarsely, because somebody is waiting for the page.
const COMPARE_LIMIT: Duration = Duration::from_millis(200);
/// How many letters are shown on either side of a difference.
const CONTEXT: usize = 60;

/// How a receiver gets the bytes as they arrived.
const RAW_BODY: [(&str, &str); 7] = [
    ("Express", "app.use(express.raw({ type: \"*/*\" }))"),
    ("Flask", "request.get_data()"),
    ("Rails", "request.raw_post"),
    ("axum", "body: axum::body::Bytes"),
    ("Go", "io.ReadAll(request.Body)"),
    ("Spring", "@RequestBody byte[] body"),
    ("Laravel", "$request->getContent()"),
];

/// What the page says about a signature.
pub(super) struct VerdictCard {
    /// `ok`, `bad` or `warn`.
    pub(super) class: &'static str,
    pub(super) title: &'static str,
    /// The most telling finding; empty if it is verified.
    pub(super) cause: String,
    pub(super) further: Vec<String>,
    pub(super) to_do: &'static str,
    pub(super) raw_body: &'static [(&'static str, &'static str)],
    pub(super) preset: String,
    /// `1 secret`
    pub(super) secrets: String,
    /// The string that must be signed; empty without a signature.
    pub(super) signed: String,
    pub(super) signed_cut: bool,
    /// What was received, and what was signed, in pieces; empty if the latter is not known.
    pub(super) received: Vec<Piece>,
    pub(super) meant: Vec<Piece>,
}

/// A piece of a body.
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) differs: bool,
}

impl VerdictCard {
    pub(super) fn of(shared: &Shared, record: &Record) -> Option<Self> {
        let diagnosis = record.diagnosis.as_ref()?;
        let told = CapturedSignature::whole(diagnosis, &record.body);
        let first = diagnosis.findings.first().map(|finding| finding.kind);
        let (class, title) = match diagnosis.verdict {
            Verdict::Ok => ("ok", "The signature is valid"),
            Verdict::Failed => ("bad", "The signature failed"),
            Verdict::Missing => ("warn", "Not signed"),
        };
        let (received, meant) = compared(shared, record).unwrap_or_default();
        let is_about_the_body = matches!(first, Some(kind) if is_about_the_body(kind));
        let mut findings = diagnosis
            .findings
            .iter()
            .map(|finding| finding.text.clone());
        Some(Self {
            class,
            title,
            cause: findings.next().unwrap_or_default(),
            further: findings.collect(),
            to_do: first.map_or("", to_do),
            raw_body: if is_about_the_body { &RAW_BODY } else { &[] },
            preset: diagnosis.preset.to_string(),
            secrets: match diagnosis.secrets {
                1 => "1 secret".to_owned(),
                count => format!("{count} secrets"),
            },
            signed: match diagnosis.verdict {
                Verdict::Missing => String::new(),
                _ => marked(told.signed.as_deref().unwrap_or_default()),
            },
            signed_cut: told.signed_cut.unwrap_or_default(),
            received,
            meant,
        })
    }
}

fn is_about_the_body(kind: FindingKind) -> bool {
    use FindingKind::{Body, LineEnds, Newline, Reserialised, Unknown};
    matches!(kind, Reserialised | Newline | LineEnds | Body | Unknown)
}

fn to_do(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Header => {
            "Have the sender send each header of this scheme once, named as it is here."
        }
        FindingKind::OldSecret => {
            "Give the sender the new secret, or accept the old one until it has it."
        }
        FindingKind::OtherSecret => {
            "Give the sender this scope's secret, or have it call the other scope's URL."
        }
        FindingKind::Key => "Have the sender derive its key from the secret as the scheme says.",
        FindingKind::Timestamp => {
            "Set the clocks of both machines. A request that is sent again later must be signed again."
        }
        FindingKind::Encoding => {
            "Have the sender write the signature in the encoding that the scheme names."
        }
        FindingKind::Content => "Have the sender sign exactly the string below.",
        FindingKind::Url => "Start polis with --public-url and the URL that the sender calls.",
        FindingKind::Unknown => {
            "Compare the secrets on both sides first; you can try another one below. Then look for what rewrites the body in transit. A receiver must verify the bytes as they arrived, before anything parses them:"
        }
        _ => {
            "Have the sender sign the exact bytes that it sends. A receiver must verify the bytes as they arrived, before anything parses them:"
        }
    }
}

/// The body that came and the one that was signed, if a known change explains the signature.
fn compared(shared: &Shared, record: &Record) -> Option<(Vec<Piece>, Vec<Piece>)> {
    let diagnosis = record.diagnosis.as_ref()?;
    if diagnosis.verdict != Verdict::Failed || record.body.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let settings = shared.polis.scopes.find(&record.scope)?.settings();
    let verification = settings.verification.as_ref()?;
    let meant = signed_body(verification, record.head.as_ref()?, &record.body)?;
    let letters = |body: &[u8]| -> Option<Vec<char>> {
        let text = std::str::from_utf8(body).ok()?;
        Some(marked(&shared.polis.redactor.text(text)).chars().collect())
    };
    let (received, meant) = (letters(&record.body)?, letters(&meant)?);
    let deadline = Some(Instant::now() + COMPARE_LIMIT);
    let steps =
        similar::capture_diff_slices_deadline(Algorithm::Myers, &received, &meant, deadline);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for step in &steps {
        let differs = step.tag() != DiffTag::Equal;
        old.extend(piece(&received[step.old_range()], differs));
        new.extend(piece(&meant[step.new_range()], differs));
    }
    Some((old, new))
}

/// Common text is shortened to what is next to a difference.
fn piece(letters: &[char], differs: bool) -> Option<Piece> {
    let text = match letters.len() {
        0 => return None,
        length if !differs && length > CONTEXT * 3 => {
            let (head, tail) = (&letters[..CONTEXT], &letters[length - CONTEXT..]);
            head.iter().chain(&[' ', '…', ' ']).chain(tail).collect()
        }
        _ => letters.iter().collect(),
    };
    Some(Piece { text, differs })
}

/// A signed text with its invisible characters made visible, because every character counts.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => marked.push_str("\u{21b5}\n"),
            '\t' => marked.push_str("\u{2192}\t"),
            // Zero-width spaces, joiners, byte order marks, direction marks.
            '\u{80}'..='\u{a0}'
            | '\u{ad}'
            | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{2069}'
            | '\u{3000}'
            | '\u{feff}' => {
                let _ = write!(marked, "<U+{:04X}>", u32::from(c));
            }
            c => marked.push(c),
        }
    }
    visible(&marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_signed_string_stays_invisible() {
        assert_eq!(
            marked("\u{feff}a\t\u{200b}b\u{a0}c\r\n"),
            "<U+FEFF>a\u{2192}\t<U+200B>b<U+00A0>c\u{240d}\u{21b5}\n"
        );
    }
}
