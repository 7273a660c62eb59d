//! Keeps credentials out of logs, exports and API answers unless they are asked for.

use std::borrow::Cow;

use parking_lot::RwLock;

/// Headers whose value is a credential.
const CREDENTIALS: [&str; 7] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-gitlab-token",
];

/// Shorter secrets are not searched for in texts: that would black out ordinary words.
const SEARCHED_BYTES: usize = 6;

/// Knows the configured secrets and hides them.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    secrets: RwLock<Secrets>,
}

#[derive(Default)]
struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

impl Redactor {
    /// Sets the secrets that are searched for in texts.
    pub(crate) fn know(&self, secrets: Vec<String>) {
        let searched = secrets
            .into_iter()
            .filter(|secret| secret.len() >= SEARCHED_BYTES)
            .collect();
        let mut known = self.secrets.write();
        known.0 = searched;
    }

    /// A header's value as it may be shown, whatever its bytes: `None` for bytes that are not text
    /// and contain nothing to hide.
    pub(crate) fn value<'a>(&self, name: &str, value: &'a [u8]) -> Option<Cow<'a, str>> {
        match std::str::from_utf8(value) {
            Ok(text) => Some(self.header(name, text)),
            Err(_) if is_credential(name) => {
                let shown = self
                    .header(name, &String::from_utf8_lossy(value))
                    .into_owned();
                Some(Cow::Owned(shown))
            }
            Err(_) => None,
        }
    }

    /// A header's value as it may be shown. The scheme of an authorization stays readable.
    pub(crate) fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if is_credential(name) {
            let scheme = value
                .split_once(' ')
                .filter(|_| name.to_ascii_lowercase().ends_with("authorization"));
            return Cow::Owned(match scheme {
                Some((scheme, rest)) => format!("{scheme} [redacted: {} bytes]", rest.len()),
                None => format!("[redacted: {} bytes]", value.len()),
            });
        }
        self.text(value)
    }

    /// Header lines as they were on the wire, with secrets replaced and every other byte kept: for
    /// a request that could not be read, whose lines are not headers yet.
    pub(crate) fn lines<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut shown = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match self.credential_line(line) {
                Some(hidden) => shown.extend_from_slice(&hidden),
                None => shown.extend_from_slice(line),
            }
        }
        if let Ok(text) = std::str::from_utf8(&shown) {
            shown = self.text(text).into_owned().into_bytes();
        }
        match shown == bytes {
            true => Cow::Borrowed(bytes),
            false => Cow::Owned(shown),
        }
    }

    /// The line with its value hidden, if that is a credential.
    fn credential_line(&self, line: &[u8]) -> Option<Vec<u8>> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?.trim();
        if !is_credential(name) {
            return None;
        }
        let end = line.trim_ascii_end().len().max(colon + 1);
        let value = String::from_utf8_lossy(line[colon + 1..end].trim_ascii());
        let hidden = self.header(name, &value);
        Some([&line[..=colon], b" ", hidden.as_bytes(), &line[end..]].concat())
    }

    /// A text with every known secret replaced.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = self.secrets.read();
        let mut shown = Cow::Borrowed(text);
        for secret in &known.0 {
            if shown.contains(secret.as_str()) {
                shown = Cow::Owned(shown.replace(secret.as_str(), "[redacted secret]"));
            }
        }
        shown
    }
}

fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|c| name.eq_ignore_ascii_case(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_and_their_scheme_stays() {
        let redactor = Redactor::default();
        assert_eq!(
            redactor.header("Authorization", "Bearer abcdef"),
            "Bearer [redacted: 6 bytes]"
        );
        assert_eq!(redactor.header("COOKIE", "a=b; c=d"), "[redacted: 8 bytes]");
        assert_eq!(redactor.header("X-Other", "a=b"), "a=b");
    }

    #[test]
    fn a_credential_is_hidden_also_when_it_is_no_text() {
        let redactor = Redactor::default();
        let shown = redactor
            .value("authorization", b"Bearer planted\xff")
            .unwrap();
        assert!(shown.starts_with("Bearer [redacted"), "{shown}");
        assert_eq!(redactor.value("X-Other", b"\xff"), None);
        assert_eq!(redactor.value("X-Other", b"a").as_deref(), Some("a"));
    }

    #[test]
    fn known_secrets_are_hidden_wherever_they_stand() {
        let redactor = Redactor::default();
        redactor.know(vec!["whsec_abc".into(), "it".into()]);
        assert_eq!(
            redactor.text("it says whsec_abc!"),
            "it says [redacted secret]!"
        );
        assert_eq!(format!("{redactor:?}").matches("whsec_abc").count(), 0);
    }

    #[test]
    fn credentials_are_hidden_in_lines_that_could_not_be_read() {
        let redactor = Redactor::default();
        let lines = b"GE\xff / \r\nX: a\r\nauthorization :Bearer \xffabc \r\nCookie:";
        assert_eq!(
            &redactor.lines(lines)[..],
            b"GE\xff / \r\nX: a\r\nauthorization : Bearer [redacted: 6 bytes] \r\nCookie: [redacted: 0 bytes]"
        );
        redactor.know(vec!["whsec_abc".into()]);
        assert_eq!(&redactor.lines(b"a whsec_abc")[..], b"a [redacted secret]");
        assert_eq!(&redactor.lines(b"a\xff\r\n")[..], b"a\xff\r\n");
    }
}
