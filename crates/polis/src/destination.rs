//! Where requests are sent, as a person writes it. Nothing in it is ignored: all of it is used, or
//! it is refused.

use std::{fmt, str::FromStr};

use url::{Position, Url};

/// A URL for requests: `http://localhost:3000/hooks?a=1`, `localhost:3000`, or `3000` alone for
/// a port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) url: Url,
    /// As it was written, without a fragment: providers sign the text, not a parsed form of it.
    text: String,
    /// Where the host ends in it.
    path_start: usize,
    /// Whether a path or a query was written: `http://host/` means `/`, `http://host` leaves
    /// it open.
    has_path: bool,
}

/// Why the text is not a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DestinationError {
    #[error(
        "it must be a URL like http://localhost:3000/hooks, or localhost:3000, or a port like 3000"
    )]
    NotUrl,
    #[error("credentials in a URL are not sent; put them in the Authorization header")]
    Credentials,
}

impl Destination {
    /// Path and query, if they were written.
    pub(crate) fn target(&self) -> Option<&str> {
        self.has_path
            .then(|| &self.url[Position::BeforePath..Position::AfterQuery])
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port as they were written, and the rest.
    pub(crate) fn split_text(&self) -> (&str, &str) {
        self.text.split_at(self.path_start)
    }

    /// Host and port, as in a `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }
}

impl fmt::Display for Destination {
    /// In a form that can be read again: without a path if none was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url[..Position::AfterPort])?;
        f.write_str(self.target().unwrap_or_default())
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let text = text.trim();
        let whole = match text.parse::<u16>() {
            Ok(port) => format!("http://localhost:{port}"),
            Err(_) if text.contains("://") => text.to_owned(),
            // Without a port, it is more likely a mistake than a host.
            Err(_) if has_port(text) => format!("http://{text}"),
            Err(_) => return Err(DestinationError::NotUrl),
        };
        let mut url = Url::parse(&whole)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .filter(|_| whole.bytes().all(|byte| byte > b' ' && byte != 0x7f))
            .ok_or(DestinationError::NotUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DestinationError::Credentials);
        }
        // No client ever sends a fragment.
        url.set_fragment(None);
        let text = whole.split('#').next().unwrap_or_default().to_owned();
        let host_start = text.find("://").map_or(0, |scheme| scheme + 3);
        let end = text[host_start..].find(['/', '?']);
        Ok(Self {
            url,
            path_start: end.map_or(text.len(), |end| host_start + end),
            text,
            has_path: end.is_some(),
        })
    }
}

fn has_port(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let port = text[..end].rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_counts_or_it_is_refused() {
        let read = |text: &str| {
            let destination: Destination = text.parse().unwrap();
            let target = destination.target().map(str::to_owned);
            (destination.url.to_string(), target)
        };
        for (text, url, target) in [
            ("3000", "http://localhost:3000/", None),
            ("localhost:3000", "http://localhost:3000/", None),
            (
                "localhost:3000/a?b",
                "http://localhost:3000/a?b",
                Some("/a?b"),
            ),
            ("http://localhost", "http://localhost/", None),
            ("http://localhost/", "http://localhost/", Some("/")),
            (
                "https://a.example?b=1",
                "https://a.example/?b=1",
                Some("/?b=1"),
            ),
            ("http://localhost/a#b", "http://localhost/a", Some("/a")),
            ("http://[::1]:3000", "http://[::1]:3000/", None),
        ] {
            assert_eq!(
                read(text),
                (url.to_owned(), target.map(str::to_owned)),
                "{text}"
            );
        }
        for text in [
            "",
            "ftp://localhost/",
            "http://",
            "a b",
            "nonsense",
            "localhost:70000",
            "/a:1",
        ] {
            assert_eq!(
                text.parse::<Destination>(),
                Err(DestinationError::NotUrl),
                "{text}"
            );
        }
        assert_eq!(
            "http://a:b@localhost/".parse::<Destination>(),
            Err(DestinationError::Credentials)
        );
    }
}
