//! A folder with a talk, and a stand-in for the package of reveal.js: the real one is npm's, and
//! a browser's business.

use std::{fs, path::PathBuf};

use deck::{Deck, Frames, ReadError, Reveal};
use tempfile::TempDir;

pub(crate) struct Folder {
    pub(crate) folder: TempDir,
    pub(crate) reveal: Reveal,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("reveal");
        for (name, text) in [
            (
                "package.json",
                r#"{"name": "reveal.js", "version": "9.8.7", "license": "MIT"}"#,
            ),
            ("LICENSE", "Copyright (C) somebody"),
            ("dist/reveal.js", "let end = '</script><!--';"),
            ("dist/plugin/highlight.js", "let highlight;"),
            ("dist/plugin/notes.js", "let notes;"),
            ("dist/plugin/highlight/monokai.css", ".hljs{}"),
            ("dist/reset.css", ".reset{}"),
            ("dist/reveal.css", ".core{}"),
            ("dist/theme/white.css", ".white{}"),
            (
                "dist/theme/moon.css",
                "@import \"https://fonts.example/css?family=A:1,2\";@import \"//b.example/c\";.moon{}",
            ),
        ] {
            let file = package.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let reveal = Reveal::installed(&package).unwrap();
        Self { folder, reveal }
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        file
    }

    pub(crate) fn read(&self, talk: &str) -> Result<Deck, ReadError> {
        let file = self.write("talk.md", talk);
        Deck::read(&file, &Frames::default(), &self.reveal)
    }

    /// The page of a talk.
    pub(crate) fn html(&self, talk: &str) -> String {
        self.read(talk).unwrap().html(&self.reveal)
    }

    /// What is said of a talk that can't be shown, without the folder's name.
    pub(crate) fn error(&self, talk: &str) -> String {
        let error = self.read(talk).unwrap_err().to_string();
        error.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// The slides of a page, as they stand between its first and last `<section`.
pub(crate) fn slides(html: &str) -> &str {
    let start = html.find("<section").unwrap();
    &html[start..html.rfind("</section>").unwrap()]
}
