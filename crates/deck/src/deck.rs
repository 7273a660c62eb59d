//! A deck: a talk read, checked, and ready to be made into one page.

use std::{collections::BTreeSet, path::Path};

use url::Url;

use crate::{
    error::{DeckError, Errors},
    front_matter::{self, FrontMatter},
    markdown::Renderer,
    page::{Column, Page, Section},
    reveal::{Reveal, RevealError},
    sources::Sources,
    talk::{Slide, Talk},
};

/// A talk whose slides are HTML.
#[derive(Debug)]
pub struct Deck {
    settings: FrontMatter,
    columns: Vec<Column>,
    styles: String,
}

/// Addresses of frames that take the place of those in the talk's front matter.
#[derive(Debug, Clone, Default)]
pub struct Frames(Vec<(String, Url)>);

impl Frames {
    /// Frames from `name=address` pairs.
    ///
    /// # Errors
    /// A sentence that names the pair.
    pub fn parse(pairs: &[String]) -> Result<Self, String> {
        let pair = |text: &String| {
            let (name, address) = text.split_once('=').ok_or_else(|| {
                format!("\"{text}\" is not a frame: write name=http://host:port/")
            })?;
            let url =
                front_matter::frame_address(address).map_err(|problem| problem.to_string())?;
            Ok((name.to_owned(), url))
        };
        pairs.iter().map(pair).collect::<Result<_, _>>().map(Self)
    }
}

/// Why there is no deck.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The talk is wrong.
    #[error(transparent)]
    Talk(#[from] Errors),
    /// Its theme is not there.
    #[error(transparent)]
    Reveal(#[from] RevealError),
}

impl Deck {
    /// Reads the talk in `file`, and what it shows.
    ///
    /// # Errors
    /// [`ReadError::Talk`] names the line of each thing that is wrong.
    pub fn read(file: &Path, frames: &Frames, reveal: &Reveal) -> Result<Self, ReadError> {
        Self::read_from(&Sources::of(file), frames, reveal)
    }

    pub(crate) fn read_from(
        sources: &Sources,
        frames: &Frames,
        reveal: &Reveal,
    ) -> Result<Self, ReadError> {
        let file = sources.talk();
        let text = sources.talk_text().map_err(|source| {
            Errors::from(DeckError::Unreadable {
                file: file.to_owned(),
                source,
            })
        })?;
        let Talk {
            mut settings,
            columns,
        } = Talk::parse(file, &text)?;
        for (name, url) in &frames.0 {
            settings.frames.insert(name.clone(), url.clone());
        }
        let renderer = Renderer {
            file,
            settings: &settings,
            sources,
        };
        let columns = render(&renderer, &columns)?;
        Ok(Self {
            styles: reveal.styles(&settings.theme)?,
            settings,
            columns,
        })
    }

    /// The page, whole: it opens from a disk without a network.
    #[must_use]
    pub fn html(&self, reveal: &Reveal) -> String {
        self.page(reveal, None)
    }

    /// The page as it is served: it loads itself anew when there is another version.
    pub(crate) fn live_html(&self, reveal: &Reveal, version: u64) -> String {
        self.page(reveal, Some(version))
    }

    fn page(&self, reveal: &Reveal, version: Option<u64>) -> String {
        let page = Page {
            title: &self.settings.title,
            author: self.settings.author.as_deref(),
            licence: &reveal.licence_text,
            styles: &self.styles,
            columns: &self.columns,
            scripts: &reveal.scripts,
            version,
        };
        page.html()
    }

    /// How many slides there are.
    #[must_use]
    pub fn slides(&self) -> usize {
        self.columns
            .iter()
            .map(|column| column.sections.len())
            .sum()
    }

    /// The origins whose pages the slides embed.
    pub(crate) fn frame_origins(&self) -> BTreeSet<String> {
        let frames = self.settings.frames.values();
        frames
            .map(|url| url.origin().ascii_serialization())
            .collect()
    }
}

/// All slides, or all that is wrong with them.
fn render(renderer: &Renderer<'_>, columns: &[Vec<Slide>]) -> Result<Vec<Column>, Errors> {
    let mut errors = Vec::new();
    let mut rendered = Vec::new();
    for column in columns {
        let mut sections = Vec::new();
        for slide in column {
            match section(renderer, slide) {
                Ok(section) => sections.push(section),
                Err(error) => errors.push(error),
            }
        }
        rendered.push(Column { sections });
    }
    if errors.is_empty() {
        Ok(rendered)
    } else {
        Err(Errors(errors))
    }
}

fn section(renderer: &Renderer<'_>, slide: &Slide) -> Result<Section, DeckError> {
    let notes = slide.notes.as_ref().map(|notes| renderer.html(notes));
    Ok(Section {
        attributes: slide.attributes.clone(),
        body: renderer.html(&slide.body)?,
        notes: notes.transpose()?,
    })
}
