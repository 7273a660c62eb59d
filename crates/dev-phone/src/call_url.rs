//! A URL that a program gave for callbacks: its text is what is signed, its parsed form is what is
//! called.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::Url;

/// The longest URL that is accepted.
const URL_BYTES_MAX: usize = 4096;

/// An absolute http or https URL, as it was written; loopback is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallUrl {
    text: String,
    url: Url,
}

/// The text is not a URL that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be a URL like http://localhost:9000/replies, up to {URL_BYTES_MAX} bytes")]
pub struct NotCallUrlError;

impl CallUrl {
    /// As it was written, without its fragment, which is never sent.
    pub fn text(&self) -> &str {
        self.text.split('#').next().unwrap_or_default()
    }

    /// The parsed URL.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A URL found in an answer of this one's, relative to it.
    pub(crate) fn join(&self, text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .or_else(|| self.url.join(text).ok()?.as_str().parse().ok())
    }

    /// `scheme://host:port/path`, without the parts that may be secret.
    pub(crate) fn readable(&self) -> String {
        let mut url = self.url.clone();
        let _ = url.set_password(None);
        let _ = url.set_username("");
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
}

impl FromStr for CallUrl {
    type Err = NotCallUrlError;

    fn from_str(text: &str) -> Result<Self, NotCallUrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(NotCallUrlError);
        }
        let mut url = Url::parse(text).map_err(|_| NotCallUrlError)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(NotCallUrlError);
        }
        url.set_fragment(None);
        let text = text.to_owned();
        Ok(Self { text, url })
    }
}

impl TryFrom<String> for CallUrl {
    type Error = NotCallUrlError;

    fn try_from(text: String) -> Result<Self, NotCallUrlError> {
        text.parse()
    }
}

impl From<CallUrl> for String {
    fn from(url: CallUrl) -> Self {
        url.text
    }
}

impl fmt::Display for CallUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
