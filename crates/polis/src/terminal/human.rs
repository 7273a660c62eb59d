//! The log for people.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    escape::{escaped, escaped_bytes, escaped_lines},
    paint::{Ink, Paint},
};
use crate::{
    content::Content,
    diagnosis::Verdict,
    json_text::{Kind, Spacing, spaces, tokens},
    record::{Answer, Record},
    redact::Redactor,
    scope::DEFAULT,
};

/// How much of a body is written; the page shows the rest.
const SHOWN_BYTES: usize = 16 * 1024;
/// How much of a body that is not text is written, in hex.
const SHOWN_BINARY_BYTES: usize = 64;

/// Writes records for people.
#[derive(Debug)]
pub(crate) struct Human {
    paint: Paint,
    redactor: Option<Arc<Redactor>>,
    zone: TimeZone,
}

impl Human {
    pub(crate) fn new(colored: bool, redactor: Option<Arc<Redactor>>) -> Self {
        Self {
            paint: Paint(colored),
            redactor,
            zone: TimeZone::system(),
        }
    }

    /// A piece of text in its colour.
    pub(crate) fn put(&self, out: &mut Vec<u8>, ink: Ink, text: &str) {
        self.paint.put(out, ink, text);
    }

    fn begin(&self, out: &mut Vec<u8>, at: Timestamp, id: u64) {
        let time = at
            .to_zoned_datetime(self.zone.clone())
            .strftime("%H:%M:%S%.3f");
        self.put(out, Ink::Soft, &time.to_string());
        self.put(out, Ink::Strong, &format!(" #{id}"));
    }

    fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor
            .as_ref()
            .map_or(Cow::Borrowed(text), |redactor| redactor.text(text))
    }

    /// Header lines, indented.
    pub(crate) fn headers<'a>(
        &self,
        out: &mut Vec<u8>,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) {
        for (name, value) in headers {
            let redactor = self.redactor.as_ref();
            let shown = match redactor.and_then(|redactor| redactor.value(name, value)) {
                Some(text) => escaped(&text).into_owned(),
                None => escaped_bytes(value),
            };
            out.extend_from_slice(b"  ");
            self.put(out, Ink::Name, &escaped(name));
            out.extend_from_slice(format!(": {shown}\n").as_bytes());
        }
    }

    /// The part of a body that is shown, indented, after an empty line.
    pub(crate) fn body(&self, out: &mut Vec<u8>, content: Content, whole: &[u8]) {
        if whole.is_empty() {
            return;
        }
        out.push(b'\n');
        let head = &whole[..whole.len().min(SHOWN_BYTES)];
        if content == Content::Json && whole.len() <= SHOWN_BYTES {
            self.json(out, whole);
        } else if let Some(text) = text_of(head, whole.len() > SHOWN_BYTES) {
            // Line ends are only layout here; the page's hex view shows which ones they are.
            let text = self.hide(text).replace("\r\n", "\n");
            for line in escaped_lines(&text).lines() {
                out.extend_from_slice(format!("  {line}\n").as_bytes());
            }
        } else {
            let shown = &whole[..whole.len().min(SHOWN_BINARY_BYTES)];
            let hex = hex::encode(shown);
            self.put(
                out,
                Ink::Soft,
                &format!(
                    "  {hex}{}\n",
                    if shown.len() < whole.len() { "…" } else { "" }
                ),
            );
        }
        if whole.len() > SHOWN_BYTES {
            let left = size(whole.len() as u64);
            self.put(
                out,
                Ink::Soft,
                &format!("  … {left} in all; the page shows the rest\n"),
            );
        }
    }

    fn json(&self, out: &mut Vec<u8>, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        let text = self.hide(&text);
        let Some(tokens) = tokens(text.as_bytes()) else {
            return;
        };
        let spaces = spaces(&tokens, Spacing::Indented(2));
        out.extend_from_slice(b"  ");
        for (index, (token, space)) in tokens.iter().zip(spaces).enumerate() {
            let written = &text.as_bytes()[token.at.clone()];
            let is_name = tokens.get(index + 1).is_some_and(|next| next.is(b':'));
            match token.kind {
                Kind::Mark(byte) => out.push(byte),
                Kind::Text if is_name => self.put(out, Ink::Name, &escaped_bytes(written)),
                Kind::Text => self.put(out, Ink::Text, &escaped_bytes(written)),
                Kind::Word => self.put(out, Ink::Number, &escaped_bytes(written)),
            }
            out.extend_from_slice(space.as_bytes());
            if space.starts_with('\n') {
                out.extend_from_slice(b"  ");
            }
        }
        out.push(b'\n');
    }

    fn signature(&self, out: &mut Vec<u8>, record: &Record) {
        let Some(diagnosis) = &record.diagnosis else {
            return;
        };
        out.extend_from_slice(b"  ");
        let text = escaped(&diagnosis.text).into_owned();
        match diagnosis.verdict {
            Verdict::Ok => self.put(out, Ink::Good, &format!("sig {text}")),
            Verdict::Failed => self.put(out, Ink::Bad, &format!("sig FAILED: {text}")),
            Verdict::Missing => self.put(out, Ink::Odd, &format!("sig missing: {text}")),
        }
    }
}

impl Human {
    /// The request in one line, without a line end. The body's size is a parameter, because a list
    /// has records without their bodies.
    pub(crate) fn line(&self, out: &mut Vec<u8>, record: &Record, body_size: usize) {
        self.begin(out, record.received_at, record.id);
        if &*record.scope != DEFAULT {
            self.put(out, Ink::Name, &format!(" [{}]", record.scope));
        }
        if record.head.is_some() {
            let target = escaped(&self.hide(&record.target())).into_owned();
            self.put(out, Ink::Strong, &format!(" {} {target}", record.method()));
            if body_size > 0 {
                let kind = record.content.word();
                out.extend_from_slice(format!(" {} {kind}", size(body_size as u64)).as_bytes());
            }
        } else {
            self.put(out, Ink::Bad, " could not be parsed");
        }
        if let Some(event) = &record.event {
            out.extend_from_slice(format!("  {}", escaped(event)).as_bytes());
        }
        self.signature(out, record);
        if let Some(delivery) = &record.delivery {
            let gap = delivery.gap_ms.map(|ms| {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a gap of years needs no milliseconds"
                )]
                let seconds = ms as f64 / 1000.0;
                format!(", {seconds:+.1} s")
            });
            if delivery.attempt > 1 {
                let text = format!("  attempt {}{}", delivery.attempt, gap.unwrap_or_default());
                self.put(out, Ink::Odd, &text);
            }
        }
    }

    /// The answer, without the line's beginning and end.
    pub(crate) fn outcome(&self, out: &mut Vec<u8>, answer: &Answer) {
        out.extend_from_slice(b"-> ");
        match answer.status {
            // Sent, but the client was gone.
            Some(status) if answer.hung_up_after.is_some() => {
                self.put(out, Ink::Odd, &status.to_string());
            }
            Some(status) if (200..300).contains(&status) => {
                self.put(out, Ink::Good, &status.to_string());
            }
            Some(status) => self.put(out, Ink::Bad, &status.to_string()),
            None => self.put(out, Ink::Bad, "no answer"),
        }
        out.extend_from_slice(format!(" after {}", duration(answer.after)).as_bytes());
        if let Some(forward) = &answer.forward {
            let url = escaped(&self.hide(&forward.url)).into_owned();
            let said = match (forward.status, &forward.error) {
                (Some(status), None) => format!("answered {status}"),
                (Some(status), Some(error)) => {
                    format!("answered {status}, then: {}", escaped(error))
                }
                (None, error) => escaped(error.as_deref().unwrap_or("did not answer")).into_owned(),
            };
            out.extend_from_slice(
                format!("  ({url} {said} after {})", duration(forward.after)).as_bytes(),
            );
        }
        if let Some(note) = &answer.note {
            out.extend_from_slice(format!("  {}", escaped(note)).as_bytes());
        }
    }

    /// A remark if the client did not wait for the answer; nothing if it did.
    pub(crate) fn hung_up(&self, out: &mut Vec<u8>, answer: &Answer) {
        if let Some(hung_up) = answer.hung_up_after {
            let text = format!(
                "  ! the client hung up at {} (its time limit?)",
                duration(hung_up)
            );
            self.put(out, Ink::Odd, &text);
        }
    }

    /// The line for a request's answer; nothing as long as there is none.
    pub(crate) fn answer_line(&self, out: &mut Vec<u8>, record: &Record, at: Timestamp) {
        let Some(answer) = record.answer() else {
            return;
        };
        self.begin(out, at, record.id);
        out.push(b' ');
        self.outcome(out, answer);
        out.push(b'\n');
        if answer.hung_up_after.is_some() {
            self.hung_up(out, answer);
            out.push(b'\n');
        }
    }

    /// The whole request: the line, what is odd about it, headers and body.
    pub(crate) fn whole(&self, out: &mut Vec<u8>, record: &Record) {
        self.line(out, record, record.body.len());
        out.push(b'\n');
        if let Some(problem) = &record.problem {
            self.put(out, Ink::Bad, &format!("  ! {}\n", escaped(problem)));
        }
        for note in &record.notes {
            self.put(out, Ink::Odd, &format!("  ! {}\n", escaped(note)));
        }
        self.headers(out, record.headers());
        let whole = match (&record.head, &self.redactor) {
            (Some(_), _) => Cow::Borrowed(&record.body[..]),
            (None, Some(redactor)) => redactor.lines(&record.first_bytes),
            (None, None) => Cow::Borrowed(&record.first_bytes[..]),
        };
        self.body(out, record.content, &whole);
        out.push(b'\n');
    }
}

/// The text, without the character that the cut went through.
fn text_of(bytes: &[u8], is_cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_cut && bytes.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// A size for people, in the log and on the page: 480 B, 1.2 kB, 10.5 MB, in powers of 1,000.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit is shown")]
    let number = bytes as f64;
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{:.1} kB", number / 1e3),
        _ => format!("{:.1} MB", number / 1e6),
    }
}

fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.1 {
        format!("{:.1} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.2} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_nobody_waited_for_is_not_green_and_says_so_on_a_line_of_its_own() {
        let record = Record::empty(1);
        let answer = Answer {
            status: Some(200),
            after: Duration::from_secs(5),
            hung_up_after: Some(Duration::from_millis(2010)),
            ..Answer::default()
        };
        record.answer.set(answer).unwrap();
        let mut out = Vec::new();
        Human::new(true, None).answer_line(&mut out, &record, record.received_at);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("-> \x1b[33m200\x1b[0m after 5.00 s\n"),
            "{text:?}"
        );
        let own = "\n\x1b[33m  ! the client hung up at 2.01 s (its time limit?)\x1b[0m\n";
        assert!(text.ends_with(own), "{text:?}");
    }
}
