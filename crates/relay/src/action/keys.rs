//! The keys of one action's table that most kinds of action read in the same way.

use std::collections::BTreeSet;

use url::Url;

use crate::{
    reading::{Section, Text},
    template::{Escape, Expression, Template},
};

/// The keys of one action's table, and the names that its templates may use.
pub(crate) struct Keys<'a> {
    pub(super) section: &'a Section<'a>,
    pub(super) known: &'a BTreeSet<String>,
}

impl Keys<'_> {
    pub(super) fn template(&self, key: &'static str, escape: Escape) -> Option<Template> {
        let text = self.section.required_raw(key)?;
        self.checked_template(&text, escape)
    }

    pub(super) fn optional_template(&self, key: &'static str, escape: Escape) -> Option<Template> {
        let text = self.section.raw(key)?;
        self.checked_template(&text, escape)
    }

    pub(super) fn checked_template(&self, text: &Text, escape: Escape) -> Option<Template> {
        let parsed = Template::new(&text.text, escape);
        self.section
            .checked(text, parsed, self.known, Template::variables)
    }

    pub(super) fn checked_expression(&self, text: &Text, source: &str) -> Option<Expression> {
        let parsed = Expression::new(source);
        self.section
            .checked(text, parsed, self.known, Expression::variables)
    }

    /// An http or https address that the operator set.
    pub(super) fn url(&self, key: &'static str) -> Option<Url> {
        let text = self.section.required(key)?;
        self.checked_url(key, &text)
    }

    pub(super) fn checked_url(&self, key: &str, text: &Text) -> Option<Url> {
        let url = Url::parse(&text.text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        if url.is_none() {
            // Do not show the value: it may hold a secret.
            let fault =
                format_args!("{key} is not an address that begins with https:// or http://");
            self.section.fault(&text.span, fault);
        }
        url
    }
}

/// Whether a text is an identifier: ASCII letters, digits and `_`, not beginning with a digit.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
