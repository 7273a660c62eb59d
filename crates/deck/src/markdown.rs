//! One text of a slide as HTML: code from files, pictures inlined, frames as places for them.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};

use crate::{
    cell,
    error::{DeckError, Problem},
    front_matter::FrontMatter,
    inclusion,
    sources::Sources,
    talk::Text,
};

/// Turns the texts of one talk into HTML.
pub(crate) struct Renderer<'a> {
    pub(crate) file: &'a Path,
    pub(crate) settings: &'a FrontMatter,
    pub(crate) sources: &'a Sources,
}

#[derive(Template)]
#[template(path = "code.html")]
struct Code<'a> {
    language: &'a str,
    /// Which lines reveal.js marks, one step after the other: `1-3|5`.
    steps: Option<&'a str>,
    text: &'a str,
}

#[derive(Template)]
#[template(path = "frames.html")]
struct Frames<'a> {
    frames: Vec<Frame<'a>>,
    start: &'a str,
}

struct Frame<'a> {
    name: &'a str,
    caption: &'a str,
    url: &'a str,
}

impl Renderer<'_> {
    /// `text` as HTML.
    pub(crate) fn html(&self, text: &Text) -> Result<String, DeckError> {
        let markdown = self.with_cells(text)?;
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let mut events = Vec::new();
        let mut parser = Parser::new_ext(&markdown, options).into_offset_iter();
        while let Some((event, range)) = parser.next() {
            let at = |problem| self.at(text, &markdown, &range, problem);
            let event = match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let mut code = String::new();
                    for (event, _) in parser.by_ref() {
                        match event {
                            Event::Text(part) => code.push_str(&part),
                            Event::End(TagEnd::CodeBlock) => break,
                            _ => {}
                        }
                    }
                    self.code(&kind, &code).map_err(at)?
                }
                Event::Start(Tag::Image {
                    link_type,
                    dest_url,
                    title,
                    id,
                }) => Event::Start(Tag::Image {
                    link_type,
                    dest_url: self.picture(&dest_url).map_err(at)?.into(),
                    title,
                    id,
                }),
                Event::Html(raw) | Event::InlineHtml(raw) if loads_a_file(&raw) => {
                    return Err(at(Problem::RawSource));
                }
                event => event,
            };
            events.push(event);
        }
        let mut out = String::new();
        html::push_html(&mut out, events.into_iter());
        Ok(out)
    }

    /// The Markdown with figures in place. Each line stays a line.
    fn with_cells(&self, text: &Text) -> Result<String, DeckError> {
        let mut out = String::new();
        for (index, line) in text.markdown.lines().enumerate() {
            let filled = cell::filled(line, self.sources)
                .map_err(|problem| DeckError::line(self.file, text.line + index, problem))?;
            out.push_str(&filled);
            out.push('\n');
        }
        Ok(out)
    }

    fn at(&self, text: &Text, markdown: &str, range: &Range<usize>, problem: Problem) -> DeckError {
        let before = markdown.get(..range.start).unwrap_or(markdown);
        DeckError::line(self.file, text.line + before.matches('\n').count(), problem)
    }

    fn code(&self, kind: &CodeBlockKind<'_>, text: &str) -> Result<Event<'static>, Problem> {
        let info = match kind {
            CodeBlockKind::Fenced(info) => info.as_ref(),
            CodeBlockKind::Indented => "",
        };
        let mut words = info.split_whitespace();
        let language = words.next().unwrap_or("plaintext");
        if language == "frame" {
            return self.frames(text);
        }
        let steps = words
            .next()
            .and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
        let included = inclusion::included(text, self.sources)?;
        let code = Code {
            language,
            steps,
            text: included.as_deref().unwrap_or(text).trim_end(),
        };
        Ok(raw(&code))
    }

    /// Each line names a frame of the front matter, and what stands below it.
    fn frames(&self, text: &str) -> Result<Event<'static>, Problem> {
        let named = |line| {
            let line: &str = line;
            let (name, caption) = line.split_once(char::is_whitespace).unwrap_or((line, line));
            let url = self.settings.frames.get(name).ok_or_else(|| {
                let known: Vec<&str> = self.settings.frames.keys().map(String::as_str).collect();
                Problem::UnknownFrame {
                    name: name.to_owned(),
                    known: match known[..] {
                        [] => "none".to_owned(),
                        _ => known.join(", "),
                    },
                }
            })?;
            Ok(Frame {
                name,
                caption: caption.trim(),
                url: url.as_str(),
            })
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let frames = Frames {
            frames: lines.map(named).collect::<Result<_, _>>()?,
            start: &self.settings.start,
        };
        Ok(raw(&frames))
    }

    fn picture(&self, address: &str) -> Result<String, Problem> {
        if address.starts_with("data:") {
            return Ok(address.to_owned());
        }
        if address.contains("://") || address.starts_with("//") {
            return Err(Problem::RemotePicture(address.to_owned()));
        }
        let file = PathBuf::from(address);
        let kind = kind_of(&file).ok_or_else(|| Problem::PictureKind(address.to_owned()))?;
        let bytes = self.sources.bytes(&file)?;
        Ok(format!(
            "data:{kind};base64,{}",
            BASE64_STANDARD.encode(bytes)
        ))
    }
}

fn kind_of(file: &Path) -> Option<&'static str> {
    Some(
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => "image/png",
            "jpg" | "jpeg" => "image/jpeg",
            "gif" => "image/gif",
            "svg" => "image/svg+xml",
            "webp" => "image/webp",
            "avif" => "image/avif",
            _ => return None,
        },
    )
}

fn loads_a_file(html: &str) -> bool {
    let html = html.to_ascii_lowercase();
    ["src=", "srcset=", "<link"]
        .iter()
        .any(|part| html.contains(part))
}

fn raw(template: &impl Template) -> Event<'static> {
    let html = template
        .render()
        .expect("the templates' values are text, which always renders");
    Event::Html(CowStr::from(html))
}
