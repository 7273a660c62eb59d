//! The file `.env` in the current directory. An error about a line names only the line's variable:
//! the line may hold a secret, and dotenvy's own errors quote it.

use std::{collections::HashMap, io, path::Path};

/// What is wrong with `.env`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotEnvError {
    /// The file can't be read.
    #[error(".env can't be read: {0}")]
    File(String),
    /// The line of this variable can't be read.
    #[error(
        ".env: the line of {0} cannot be read; put a value with spaces, quotes or # in single quotes, or in double quotes when it contains a single quote"
    )]
    Variable(String),
    /// A line without a variable.
    #[error(".env: there is a line that is not NAME=value")]
    Line,
}

/// Names and values of the file at `path`, and everything that is wrong with it; both are empty when
/// there is no such file.
#[must_use]
pub(crate) fn read_dot_env(path: &Path) -> (HashMap<String, String>, Vec<DotEnvError>) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Default::default(),
        Err(error) => return (HashMap::new(), vec![DotEnvError::File(error.to_string())]),
    };
    // A byte order mark would become part of the first name.
    let text = text.trim_start_matches('\u{feff}');
    let mut faults = Vec::new();
    let values = dotenvy::from_read_iter(text.as_bytes())
        .filter_map(|pair| pair.map_err(|error| faults.push(fault(text, &error))).ok())
        .collect();
    (values, faults)
}

fn fault(text: &str, error: &dotenvy::Error) -> DotEnvError {
    match error {
        dotenvy::Error::LineParse(part, _) => name(text, part).map_or(DotEnvError::Line, |name| {
            DotEnvError::Variable(name.to_owned())
        }),
        error => DotEnvError::File(error.to_string()),
    }
}

/// The name of the variable whose line contains `part`, which is the whole line or its value.
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

/// Accepts only names in capitals: what precedes the first `=` of a broken line may be a secret,
/// too.
fn is_variable(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
