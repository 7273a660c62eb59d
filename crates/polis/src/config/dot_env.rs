//! The `.env` file. What is wrong with a line is reported by the name of its variable alone: what
//! stands in the line may be a secret, and dotenvy's own errors repeat it.

use std::{collections::HashMap, io, path::Path};

/// What is wrong with `.env`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error(".env: {0}")]
    File(String),
    #[error(
        ".env: the line of {0} cannot be read; a value with spaces, quotes or # stands in single quotes, in double ones when it has a single one in it"
    )]
    Variable(String),
    #[error(".env: there is a line that is not NAME=value")]
    Line,
}

/// Names and values of the file; none when there is no file.
pub(super) fn read(path: &Path, faults: &mut Vec<Fault>) -> HashMap<String, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                faults.push(Fault::File(error.to_string()));
            }
            return HashMap::new();
        }
    };
    // A byte order mark would become part of the first name.
    let text = text.trim_start_matches('\u{feff}');
    dotenvy::from_read_iter(text.as_bytes())
        .filter_map(|pair| pair.map_err(|error| faults.push(fault(text, &error))).ok())
        .collect()
}

fn fault(text: &str, error: &dotenvy::Error) -> Fault {
    match error {
        dotenvy::Error::LineParse(part, _) => {
            name(text, part).map_or(Fault::Line, |name| Fault::Variable(name.to_owned()))
        }
        error => Fault::File(error.to_string()),
    }
}

/// The variable of the line that this part stands in, which is the whole line or its value.
fn name<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    let part = part.trim_end();
    text.match_indices(part).find_map(|(at, _)| {
        let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let (before, value) = text[start..].lines().next()?.split_once('=')?;
        let is_here = at == start || part.starts_with(value.trim());
        let name = before.trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        (is_here && is_variable(name)).then_some(name)
    })
}

/// Capitals alone: what stands before the first `=` of a broken line may be a secret, too.
fn is_variable(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
