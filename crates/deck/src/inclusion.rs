//! `{{#include file:marker}}`: a part of a source file, between two comments, as mdBook spells it.

use std::path::Path;

use crate::{error::Problem, sources::Sources};

const FORM: &str = "{{#include path/to/file:marker}}";

/// The lines that `text`, the only line of a code block, asks for; `None` when it is code itself.
pub(crate) fn included(text: &str, sources: &Sources) -> Result<Option<String>, Problem> {
    let Some(rest) = text.trim().strip_prefix("{{#include") else {
        return Ok(None);
    };
    let asked = rest
        .strip_suffix("}}")
        .and_then(|inside| inside.trim().rsplit_once(':'))
        .filter(|(file, marker)| !file.is_empty() && !marker.is_empty());
    let Some((file, marker)) = asked else {
        return Err(Problem::Directive {
            text: text.trim().to_owned(),
            form: FORM,
        });
    };
    let file = Path::new(file);
    let source = sources.text(file)?;
    let found = between(&source, marker).ok_or_else(|| Problem::NoMarker {
        file: file.to_owned(),
        marker: marker.to_owned(),
    })?;
    Ok(Some(found))
}

/// The lines between the comments, moved to the left, without comments of other markers.
fn between(source: &str, marker: &str) -> Option<String> {
    let named = |line: &str, kind: &str| {
        let (_, rest) = line.split_once(kind)?;
        rest.split_whitespace().next().map(str::to_owned)
    };
    let is_start = |line: &str| named(line, "ANCHOR:").as_deref() == Some(marker);
    let is_end = |line: &str| named(line, "ANCHOR_END:").as_deref() == Some(marker);
    let mut lines = source.lines().skip_while(|line| !is_start(line)).skip(1);
    let mut taken = Vec::new();
    loop {
        let line = lines.next()?;
        if is_end(line) {
            break;
        }
        if !line.contains("ANCHOR:") && !line.contains("ANCHOR_END:") {
            taken.push(line);
        }
    }
    let margin = taken
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()?;
    let moved = taken.iter().map(|line| line.get(margin..).unwrap_or(""));
    Some(moved.collect::<Vec<_>>().join("\n"))
}
