//! The pages of programs that run together, so that each can link to the others.
//!
//! The variable [`PAGES_VARIABLE`] lists them; whoever starts the programs sets it. Only listed
//! pages are linked.

use std::{fmt, str::FromStr};

/// The variable that lists the pages: `button=http://localhost:9090 phone=http://localhost:9020`.
pub const PAGES_VARIABLE: &str = "DEMO_PAGES";

/// More programs than any demo has.
const PAGES_MAX: usize = 20;

/// Pages that link to each other, in the order in which they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages(Vec<(String, String)>);

/// One link from a page to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageLink {
    /// The program's name as it is displayed, such as `phone`; for `other-button`, `other button`.
    pub name: String,
    /// Where its page is.
    pub url: String,
    /// Whether this is the page that shows the link.
    pub is_here: bool,
}

/// The list of pages cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; list pages as name=URL, separated by spaces: button=http://localhost:9090")]
pub struct PagesError(String);

impl Pages {
    /// The links that the page of the program `here` shows; empty when `here` is not listed.
    #[must_use]
    pub fn seen_from(&self, here: &str) -> Vec<PageLink> {
        if self.url(here).is_none() {
            return Vec::new();
        }
        let links = self.0.iter().map(|(name, url)| PageLink {
            name: name.replace('-', " "),
            url: url.clone(),
            is_here: name == here,
        });
        links.collect()
    }

    /// Where the page of the program `name` is.
    #[must_use]
    pub fn url(&self, name: &str) -> Option<&str> {
        let page = self.0.iter().find(|(known, _)| known == name);
        page.map(|(_, url)| url.as_str())
    }
}

impl FromStr for Pages {
    type Err = PagesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut pages: Vec<(String, String)> = Vec::new();
        for item in text.split_whitespace() {
            let wrong = |reason: &str| PagesError(format!("{item:?} {reason}"));
            let (name, url) = item
                .split_once('=')
                .ok_or_else(|| wrong("has no name and ="))?;
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(wrong("has a name that is not letters, digits and hyphens"));
            }
            // Nothing but a web address may end up in a link.
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(wrong("has no http:// or https:// address"));
            }
            if pages.iter().any(|(known, _)| known == name) {
                return Err(wrong("has a name that is listed twice"));
            }
            pages.push((name.to_owned(), url.trim_end_matches('/').to_owned()));
        }
        if pages.len() > PAGES_MAX {
            let count = pages.len();
            return Err(PagesError(format!(
                "{count} pages are listed; the limit is {PAGES_MAX}"
            )));
        }
        Ok(Self(pages))
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> = self.0.iter().map(|(n, url)| format!("{n}={url}")).collect();
        f.write_str(&items.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_all_that_are_listed_and_knows_which_is_its_own() {
        let pages: Pages = "other-button=http://localhost:9090/ phone=http://localhost:9020?a=b"
            .parse()
            .unwrap();
        let links = pages.seen_from("phone");
        assert_eq!(links.len(), 2);
        assert_eq!(links[0].name, "other button");
        assert_eq!(links[0].url, "http://localhost:9090");
        assert_eq!(links[1].url, "http://localhost:9020?a=b");
        assert_eq!((links[0].is_here, links[1].is_here), (false, true));
        assert_eq!(pages.to_string().parse(), Ok(pages));
    }

    #[test]
    fn a_page_that_is_not_listed_links_nothing() {
        let pages: Pages = "button=http://localhost:9090".parse().unwrap();
        assert_eq!(pages.seen_from("polis"), []);
        assert_eq!(Pages::default().seen_from("polis"), []);
    }

    #[test]
    fn a_wrong_item_is_named() {
        for (text, item) in [
            ("button=http://a phone", "\"phone\""),
            ("x=javascript:alert(1)", "javascript"),
            ("a=http://a a=http://b", "twice"),
            ("a b=http://a", "\"a\""),
        ] {
            let error = text.parse::<Pages>().unwrap_err().to_string();
            assert!(error.contains(item), "{error}");
        }
    }
}
