//! The user and password that a URL may carry for basic auth, and how they are kept out of sight.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use url::Url;

use super::refusal::AddressRefusal;

/// A user and a password for basic auth. Neither appears in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// The value of the `Authorization` header, marked as sensitive.
    ///
    /// # Panics
    /// Never: base64 is a valid header value.
    pub fn authorization(&self) -> HeaderValue {
        let Self { user, password } = self;
        let encoded = STANDARD.encode(format!("{user}:{password}"));
        let mut value =
            HeaderValue::try_from(format!("Basic {encoded}")).expect("base64 is visible ASCII");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// The URL as logs and listings may show it: `https://***@acme.example/hooks`.
pub fn hide_credentials(url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return url.to_string();
    }
    let bare = without_credentials(url);
    match bare.as_str().split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://***@{rest}"),
        None => bare.into(),
    }
}

/// Splits a URL into the one to request and the credentials to send with it.
pub fn split_credentials(url: &Url) -> (Url, Option<Credentials>) {
    let credentials = match (url.username(), url.password().unwrap_or_default()) {
        ("", "") => None,
        (user, password) => decoded(user)
            .zip(decoded(password))
            .map(|(user, password)| Credentials { user, password }),
    };
    (without_credentials(url), credentials)
}

/// Refuses everything before the `@` that is not a plain user, a password, or both: an API key is
/// often given as either.
pub(super) fn check(url: &Url) -> Result<(), AddressRefusal> {
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    let problem = match (decoded(user), decoded(password)) {
        (Some(user), Some(password)) => {
            if user.contains(':') {
                "has a colon in the user name, which basic auth cannot send"
            } else if user.chars().chain(password.chars()).any(char::is_control) {
                "has a control character"
            } else {
                return Ok(());
            }
        }
        _ => "is not UTF-8",
    };
    Err(AddressRefusal::UserInfo { problem })
}

fn without_credentials(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both only fail for URLs that cannot have credentials, so there are none to remove.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare
}

/// Percent-decoding; `None` if the result is not UTF-8 text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn credentials_never_show() {
        let url = url("https://planted-user:planted-password@acme.example:8443/hooks?a=1");
        assert_eq!(
            hide_credentials(&url),
            "https://***@acme.example:8443/hooks?a=1"
        );
        let (bare, credentials) = split_credentials(&url);
        assert_eq!(bare.as_str(), "https://acme.example:8443/hooks?a=1");
        let credentials = credentials.unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials(..)");
        let header = credentials.authorization();
        assert!(!format!("{header:?}").contains("cGxh"), "{header:?}");
        let refusal = check(&"https://planted%0a:planted@acme.example".parse().unwrap());
        assert!(!refusal.unwrap_err().to_string().contains("planted"));
    }

    /// The example of RFC 7617.
    #[test]
    fn the_header_is_basic_auth() {
        let (_, credentials) = split_credentials(&url("http://Aladdin:open%20sesame@acme.example"));
        assert_eq!(
            credentials.unwrap().authorization(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[test]
    fn a_user_or_a_password_alone_is_sent() {
        for (text, header) in [
            ("https://key@acme.example", "Basic a2V5Og=="),
            ("https://key:@acme.example", "Basic a2V5Og=="),
            ("https://:key@acme.example", "Basic OmtleQ=="),
        ] {
            let (bare, credentials) = split_credentials(&url(text));
            assert_eq!(bare.as_str(), "https://acme.example/");
            assert_eq!(credentials.unwrap().authorization(), header, "{text}");
            assert_eq!(hide_credentials(&url(text)), "https://***@acme.example/");
        }
    }

    #[test]
    fn a_url_without_credentials_is_shown_as_it_is() {
        let url = url("https://acme.example/hooks");
        assert_eq!(hide_credentials(&url), "https://acme.example/hooks");
        assert_eq!(split_credentials(&url), (url, None));
    }

    #[test]
    fn a_user_a_password_or_both_pass() {
        for (text, passes) in [
            ("https://acme.example", true),
            ("https://user:password@acme.example", true),
            (
                "https://me%40acme.example:p%C3%A4ss%2F%25@acme.example",
                true,
            ),
            ("https://user@acme.example", true),
            ("https://user:@acme.example", true),
            ("https://:password@acme.example", true),
            ("https://us%3Aer:password@acme.example", false),
            ("https://user:pass%0d%0aword@acme.example", false),
            ("https://user:%ff@acme.example", false),
        ] {
            assert_eq!(check(&url(text)).is_ok(), passes, "{text}");
        }
    }
}
