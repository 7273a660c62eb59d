//! One request, as the rules see it.

use serve::wire::Head;

use super::echo::{Echo, Echoed};
use crate::{
    diagnosis::{Verification, preset_of},
    scope_path,
};

/// The facts from which an answer is planned.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    head: &'a Head,
    body: &'a [u8],
    /// The target without the scope's prefix.
    path: String,
    pub(crate) event: Option<&'a str>,
    /// Attempts of the same delivery before this one.
    pub(crate) before: u32,
    /// How the scope checks signatures.
    pub(crate) verification: Option<&'a Verification>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(head: &'a Head, body: &'a [u8]) -> Self {
        let path = String::from_utf8_lossy(head.path());
        let within = match scope_path::split(&path) {
            Some((_, "")) => "/",
            Some((_, within)) => within,
            None => &path,
        };
        Self {
            path: within.to_owned(),
            head,
            body,
            event: None,
            before: 0,
            verification: None,
        }
    }

    pub(super) fn method(&self) -> &str {
        self.head.method()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn answer(&self, echo: &Echo) -> Option<Echoed> {
        echo.answer(self.head, self.body, self.verification)
    }

    /// Whether it is a browser's question whether it may send a request.
    pub(crate) fn is_preflight(&self) -> bool {
        self.method() == "OPTIONS" && self.head.get("access-control-request-method").is_some()
    }

    /// Whether it only asks if polis is up, as with the original: it has nothing that a webhook or a
    /// provider's check of a URL would have.
    pub(crate) fn is_probe(&self) -> bool {
        self.path == "/"
            && matches!(self.method(), "GET" | "HEAD")
            && self.head.query().is_empty()
            && preset_of(self.head).is_none()
    }
}
