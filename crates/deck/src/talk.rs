//! A talk taken apart: its settings, and its slides in columns, each with the line it starts at.

use std::path::Path;

use crate::{
    error::{DeckError, Errors, Problem},
    front_matter::FrontMatter,
};

/// A talk as its file says it.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) settings: FrontMatter,
    /// Columns from left to right, slides from top to bottom; no column is empty.
    pub(crate) columns: Vec<Vec<Slide>>,
}

/// One slide, still Markdown.
#[derive(Debug, Default)]
pub(crate) struct Slide {
    pub(crate) body: Text,
    /// What only the speaker sees.
    pub(crate) notes: Option<Text>,
    /// Attributes of the slide's element, from a line `<!-- .slide: … -->`.
    pub(crate) attributes: String,
}

/// Lines of the talk that belong together.
#[derive(Debug, Default)]
pub(crate) struct Text {
    /// The first line's number, counted from 1.
    pub(crate) line: usize,
    pub(crate) markdown: String,
}

impl Text {
    fn from(line: usize) -> Self {
        Self {
            line,
            markdown: String::new(),
        }
    }

    fn push(&mut self, line: &str) {
        self.markdown.push_str(line);
        self.markdown.push('\n');
    }
}

impl Talk {
    /// Takes `text` apart, which is what `file` holds.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, Errors> {
        // Editors on Windows write a byte order mark and CRLF.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<&str> = text.lines().collect();
        let (settings, taken) = FrontMatter::take(file, &lines)?;
        let mut slides = Slides::starting_at(taken + 1);
        let mut fence: Option<Fence> = None;
        for (index, line) in lines.iter().enumerate().skip(taken) {
            let number = index + 1;
            if let Some(open) = &fence {
                if open.is_closed_by(line) {
                    fence = None;
                }
                slides.push(line);
            } else if let Some(open) = Fence::opened_by(line, number) {
                fence = Some(open);
                slides.push(line);
            } else {
                match line.trim_end() {
                    "---" => slides.next_column(number + 1),
                    "--" => slides.next_below(number + 1),
                    text if text.trim() == "Note:" => slides.begin_notes(number + 1),
                    text => match slide_attributes(text) {
                        Some(attributes) => slides.set_attributes(attributes),
                        None => slides.push(line),
                    },
                }
            }
        }
        if let Some(open) = fence {
            return Err(Errors::from(DeckError::line(
                file,
                open.line,
                Problem::OpenFence(open.marks),
            )));
        }
        Ok(Self {
            settings,
            columns: slides.columns,
        })
    }
}

/// reveal.js's own way to say something of a slide: `<!-- .slide: data-background="#fff" -->`.
fn slide_attributes(line: &str) -> Option<&str> {
    let inside = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(inside.trim().strip_prefix(".slide:")?.trim())
}

struct Slides {
    columns: Vec<Vec<Slide>>,
}

impl Slides {
    fn starting_at(line: usize) -> Self {
        Self {
            columns: vec![vec![Slide::starting_at(line)]],
        }
    }

    fn current(&mut self) -> &mut Slide {
        self.columns
            .last_mut()
            .and_then(|column| column.last_mut())
            .expect("there is a slide from the start, and none is taken away")
    }

    fn push(&mut self, line: &str) {
        let slide = self.current();
        slide.notes.as_mut().unwrap_or(&mut slide.body).push(line);
    }

    fn begin_notes(&mut self, line: usize) {
        self.current().notes.get_or_insert_with(|| Text::from(line));
    }

    fn set_attributes(&mut self, attributes: &str) {
        self.current().attributes = attributes.to_owned();
        // A line stays a line, so that those after it keep their numbers.
        self.push("");
    }

    fn next_column(&mut self, line: usize) {
        self.columns.push(vec![Slide::starting_at(line)]);
    }

    fn next_below(&mut self, line: usize) {
        if let Some(column) = self.columns.last_mut() {
            column.push(Slide::starting_at(line));
        }
    }
}

impl Slide {
    fn starting_at(line: usize) -> Self {
        Self {
            body: Text::from(line),
            ..Self::default()
        }
    }
}

/// An open code block: its lines are no separators.
struct Fence {
    line: usize,
    marks: String,
}

impl Fence {
    fn opened_by(line: &str, number: usize) -> Option<Self> {
        let line = line.trim_start();
        let mark = line.chars().next().filter(|mark| "`~".contains(*mark))?;
        let count = line.chars().take_while(|next| *next == mark).count();
        // A line of code spans, such as ```` ```x``` ````, opens nothing.
        let rest = &line[count..];
        (count >= 3 && !(mark == '`' && rest.contains('`'))).then(|| Self {
            line: number,
            marks: mark.to_string().repeat(count),
        })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        let mark = self.marks.chars().next();
        line.len() >= self.marks.len() && line.chars().all(|next| Some(next) == mark)
    }
}
