//! What is wrong with a configuration: each fault with its line, all of them at once.

use std::{fmt, path::PathBuf};

/// Below this likeness (0 to 1) a suggestion would be confusing.
const LIKENESS_MIN: f64 = 0.75;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read at all.
    #[error("{} can't be read: {source}; name another file with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Everything that is wrong in it, in line order.
    #[error("{}", Shown(path, faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// At least one.
        faults: Vec<Fault>,
    },
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

struct Shown<'a>(&'a PathBuf, &'a [Fault]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.1.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(
                f,
                "{end}{}:{}: {}",
                self.0.display(),
                fault.line,
                fault.text
            )?;
        }
        Ok(())
    }
}

/// `; did you mean "text"?` when one of `known` resembles `word`, otherwise the list of `known`.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let likeness = |name: &str| strsim::jaro_winkler(word, name);
    let nearest = known
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|name| likeness(name) >= LIKENESS_MIN);
    match nearest {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None if known.is_empty() => String::new(),
        None => format!("; there is {}", known.join(", ")),
    }
}
