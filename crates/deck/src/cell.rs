//! `{{#cell file | heading | row | column}}`: a figure from a table in a Markdown file, so that a
//! slide shows what was measured and not what somebody typed.

use std::path::Path;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::{error::Problem, sources::Sources};

const OPEN: &str = "{{#cell";
const CLOSE: &str = "}}";
const FORM: &str =
    "{{#cell path/to/file.md | heading | first cell of the row | title of the column}}";

/// `line` with every cell that it asks for in its place.
pub(crate) fn filled(line: &str, sources: &Sources) -> Result<String, Problem> {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(OPEN) {
        out.push_str(&rest[..at]);
        let directive = &rest[at..];
        let incomplete = || Problem::Directive {
            text: directive.trim().to_owned(),
            form: FORM,
        };
        let end = directive.find(CLOSE).ok_or_else(incomplete)?;
        let parts: Vec<&str> = directive[OPEN.len()..end]
            .split('|')
            .map(str::trim)
            .collect();
        let [file, heading, row, column] = parts[..] else {
            return Err(incomplete());
        };
        let file = Path::new(file);
        let text = sources.text(file)?;
        let cell = find(&text, heading, row, column).ok_or_else(|| Problem::NoCell {
            file: file.to_owned(),
            heading: heading.to_owned(),
            row: row.to_owned(),
            column: column.to_owned(),
        })?;
        out.push_str(&cell);
        rest = &directive[end + CLOSE.len()..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The cell in the first table below `heading` that has both row and column.
fn find(markdown: &str, heading: &str, row: &str, column: &str) -> Option<String> {
    let mut below = false;
    let mut text = String::new();
    let mut cells: Vec<String> = Vec::new();
    let mut place: Option<usize> = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. } | Tag::TableCell) => text.clear(),
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::End(TagEnd::Heading(_)) => below = text.trim() == heading,
            Event::End(TagEnd::TableCell) => cells.push(text.trim().to_owned()),
            Event::Start(Tag::TableHead | Tag::TableRow) => cells.clear(),
            Event::End(TagEnd::TableHead) => {
                place = cells.iter().position(|title| below && title == column);
            }
            Event::End(TagEnd::TableRow) => {
                if let Some(place) = place
                    && cells.first().is_some_and(|first| first == row)
                {
                    return cells.get(place).cloned();
                }
            }
            _ => {}
        }
    }
    None
}
