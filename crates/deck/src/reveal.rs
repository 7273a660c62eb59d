//! reveal.js as npm installed it: the few files of the package that a deck is made of.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Our own look, over the theme's.
const DECK_CSS: &str = include_str!("../../../templates/deck/deck.css");
/// What the theme `auto` builds on.
const AUTO_BASE: &str = "white";
const AUTO_CSS: &str = include_str!("../../../templates/deck/auto.css");

/// The installed package, and its files.
#[derive(Debug)]
pub struct Reveal {
    folder: PathBuf,
    /// The package's version.
    pub version: String,
    /// The name of its licence.
    pub licence: String,
    pub(crate) licence_text: String,
    pub(crate) scripts: Vec<String>,
    reset: String,
    core: String,
    code: String,
}

/// reveal.js, or a part of it, is not there.
#[derive(Debug, thiserror::Error)]
pub enum RevealError {
    /// The package is not installed.
    #[error(
        "reveal.js is not installed in {}: {source}; run scripts/talk, which installs it, or npm ci in crates/deck, or set REVEAL_DIR",
        folder.display()
    )]
    Missing {
        /// Where it was looked for.
        folder: PathBuf,
        /// Why the first file could not be read.
        source: io::Error,
    },
    /// There is no such theme.
    #[error("reveal.js has no theme \"{theme}\"; use auto, {known}")]
    Theme {
        /// What the front matter says.
        theme: String,
        /// What there is.
        known: String,
    },
}

impl Reveal {
    /// Reads the package in `folder`.
    ///
    /// # Errors
    /// [`RevealError::Missing`] says how to install it.
    pub fn installed(folder: &Path) -> Result<Self, RevealError> {
        let read = |name: &str| {
            std::fs::read_to_string(folder.join(name)).map_err(|source| RevealError::Missing {
                folder: folder.to_owned(),
                source,
            })
        };
        let package = read("package.json")?;
        let package: Value = serde_json::from_str(&package).unwrap_or_default();
        let named = |name: &str| package[name].as_str().unwrap_or("unknown").to_owned();
        Ok(Self {
            folder: folder.to_owned(),
            version: named("version"),
            licence: named("license"),
            licence_text: read("LICENSE")?,
            scripts: [
                "dist/reveal.js",
                "dist/plugin/highlight.js",
                "dist/plugin/notes.js",
            ]
            .into_iter()
            .map(|name| read(name).map(|script| inline_script(&script)))
            .collect::<Result<_, _>>()?,
            reset: read("dist/reset.css")?,
            core: read("dist/reveal.css")?,
            code: read("dist/plugin/highlight/monokai.css")?,
        })
    }

    /// All styles of a deck in `theme`.
    pub(crate) fn styles(&self, theme: &str) -> Result<String, RevealError> {
        let (base, over) = match theme {
            "auto" => (AUTO_BASE, AUTO_CSS),
            name => (name, ""),
        };
        let known = self.themes();
        if !known.iter().any(|name| name == base) {
            return Err(RevealError::Theme {
                theme: theme.to_owned(),
                known: known.join(", "),
            });
        }
        let file = self.folder.join(format!("dist/theme/{base}.css"));
        let css = std::fs::read_to_string(&file).map_err(|source| RevealError::Missing {
            folder: file,
            source,
        })?;
        let theme = without_web_imports(&css);
        Ok([&self.reset, &self.core, &theme, over, &self.code, DECK_CSS].join("\n"))
    }

    fn themes(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.folder.join("dist/theme")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = files
            .filter_map(|file| {
                let name = file.ok()?.file_name().into_string().ok()?;
                Some(name.strip_suffix(".css")?.to_owned())
            })
            .collect();
        names.sort();
        names
    }
}

/// Some themes fetch fonts from the web; a deck opens without a network, so the browser's own
/// fonts stand in.
fn without_web_imports(css: &str) -> String {
    let mut out = String::new();
    let mut rest = css;
    while let Some(at) = rest.find("@import") {
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end + 1);
        out.push_str(&rest[..at]);
        if !rest[at..end].contains("//") {
            out.push_str(&rest[at..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// A script as it may stand between tags: nothing in it ends the element.
pub(crate) fn inline_script(script: &str) -> String {
    script
        .replace("</script", "<\\/script")
        .replace("<!--", "<\\!--")
}
