//! The lines between the first two `---` of a talk: its title, its look, its frames.

use std::{collections::BTreeMap, path::Path};

use url::Url;

use crate::error::{DeckError, Problem};

/// The look that follows the reader's preference for light or dark.
const THEME_DEFAULT: &str = "auto";

/// What a talk says of itself.
#[derive(Debug)]
pub(crate) struct FrontMatter {
    pub(crate) title: String,
    pub(crate) author: Option<String>,
    /// `auto`, or the name of one of reveal.js's themes.
    pub(crate) theme: String,
    /// What a slide says where a frame's program does not run.
    pub(crate) start: String,
    /// Addresses that slides may embed, by name.
    pub(crate) frames: BTreeMap<String, Url>,
}

impl Default for FrontMatter {
    fn default() -> Self {
        Self {
            title: "Slides".to_owned(),
            author: None,
            theme: THEME_DEFAULT.to_owned(),
            start: "This part of the slide is a program that does not run.".to_owned(),
            frames: BTreeMap::new(),
        }
    }
}

impl FrontMatter {
    /// Takes the front matter from the start of `lines`; also the number of lines it takes.
    pub(crate) fn take(file: &Path, lines: &[&str]) -> Result<(Self, usize), DeckError> {
        let mut settings = Self::default();
        if lines.first().map(|line| line.trim_end()) != Some("---") {
            return Ok((settings, 0));
        }
        let at = |line: usize, problem| DeckError::line(file, line, problem);
        let Some(end) = lines[1..].iter().position(|line| line.trim_end() == "---") else {
            return Err(at(1, Problem::OpenFrontMatter));
        };
        for (index, line) in lines[1..=end].iter().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 2;
            settings.set(line).map_err(|problem| at(number, problem))?;
        }
        Ok((settings, end + 2))
    }

    fn set(&mut self, line: &str) -> Result<(), Problem> {
        let unknown = || Problem::NotASetting(line.trim().to_owned());
        let (name, value) = line.split_once(':').ok_or_else(unknown)?;
        let value = value.trim().to_owned();
        match name.trim() {
            "title" => self.title = value,
            "author" => self.author = Some(value),
            "theme" => self.theme = value,
            "start" => self.start = value,
            name => {
                let name = name.strip_prefix("frame.").ok_or_else(unknown)?;
                let url = frame_address(&value)?;
                self.frames.insert(name.to_owned(), url);
            }
        }
        Ok(())
    }
}

/// The address of a frame: a page over HTTP.
pub(crate) fn frame_address(text: &str) -> Result<Url, Problem> {
    let url = Url::parse(text).map_err(|_| Problem::FrameAddress(text.to_owned()))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(Problem::FrameAddress(text.to_owned()))
    }
}
