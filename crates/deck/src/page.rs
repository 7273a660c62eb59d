//! The one page that a deck is.

use askama::Template;

use crate::reveal::inline_script;

const DECK_JS: &str = include_str!("../../../templates/deck/deck.js");

/// A slide as HTML.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) attributes: String,
    pub(crate) body: String,
    pub(crate) notes: Option<String>,
}

/// Slides below each other.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) sections: Vec<Section>,
}

/// Everything that the page is made of.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    pub(crate) author: Option<&'a str>,
    pub(crate) licence: &'a str,
    pub(crate) styles: &'a str,
    pub(crate) columns: &'a [Column],
    pub(crate) scripts: &'a [String],
    /// Which version of a talk that is served; `None` in a file.
    pub(crate) version: Option<u64>,
}

impl Page<'_> {
    pub(crate) fn html(&self) -> String {
        self.render()
            .expect("the template's values are text, which always renders")
    }

    fn own_script(&self) -> String {
        inline_script(DECK_JS)
    }
}

/// What is served in place of a deck that can't be made.
#[derive(Template)]
#[template(path = "wrong.html")]
pub(crate) struct Wrong<'a> {
    pub(crate) errors: &'a str,
    pub(crate) version: u64,
}

impl Wrong<'_> {
    pub(crate) fn html(&self) -> String {
        self.render()
            .expect("the template's values are text, which always renders")
    }
}
