//! Keeps credentials out of logs, exports and answers of the API unless they are asked for.

use std::{borrow::Cow, sync::RwLock};

/// Headers whose value is a credential.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "x-auth-token",
    "x-gitlab-token",
    "x-polis-token",
];

/// Shorter secrets are not searched for in texts: they would blacken ordinary words.
const SEARCHED_BYTES: usize = 6;

/// Knows the configured secrets and hides them.
#[derive(Debug, Default)]
pub struct Redactor {
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
    /// Replaces the secrets that are searched for in texts.
    pub(crate) fn know(&self, secrets: Vec<String>) {
        let searched = secrets
            .into_iter()
            .filter(|secret| secret.len() >= SEARCHED_BYTES)
            .collect();
        let mut known = match self.secrets.write() {
            Ok(known) => known,
            Err(poisoned) => poisoned.into_inner(),
        };
        known.0 = searched;
    }

    /// A header's value as it may be shown. The scheme of an authorization stays readable.
    #[must_use]
    pub fn header<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if CREDENTIALS.iter().any(|c| name.eq_ignore_ascii_case(c)) {
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

    /// A text with every known secret replaced.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let known = match self.secrets.read() {
            Ok(known) => known,
            Err(poisoned) => poisoned.into_inner(),
        };
        let mut shown = Cow::Borrowed(text);
        for secret in &known.0 {
            if shown.contains(secret.as_str()) {
                shown = Cow::Owned(shown.replace(secret.as_str(), "[redacted secret]"));
            }
        }
        shown
    }
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
    fn known_secrets_are_hidden_wherever_they_stand() {
        let redactor = Redactor::default();
        redactor.know(vec!["whsec_abc".into(), "it".into()]);
        assert_eq!(
            redactor.text("it says whsec_abc!"),
            "it says [redacted secret]!"
        );
        assert_eq!(format!("{redactor:?}").matches("whsec_abc").count(), 0);
    }
}
