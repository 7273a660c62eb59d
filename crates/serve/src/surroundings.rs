//! Where programs look up variables: in the process's environment, and in `.env`.

use std::{collections::HashMap, fmt, path::Path};

use crate::dot_env::{DotEnvError, read_dot_env};

/// The environment of the program, as a value, so that tests need not change the real one.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: HashMap<String, String>,
    dot_env: HashMap<String, String>,
    faults: Vec<DotEnvError>,
}

impl fmt::Debug for Surroundings {
    /// Shows only names: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.variables.keys())
            .entries(self.dot_env.keys())
            .finish()
    }
}

impl Surroundings {
    /// The variables of the process, and those of `.env` in the current directory.
    #[must_use]
    pub fn of_process() -> Self {
        // Bytes that are not UTF-8 become replacement characters, so that a wrong value is
        // reported, not ignored.
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os()
            .map(|(name, value)| (lossy(name), lossy(value)))
            .collect();
        let (dot_env, faults) = read_dot_env(Path::new(".env"));
        Self {
            variables,
            dot_env,
            faults,
        }
    }

    /// Made-up surroundings: these variables, and a `.env` that holds these.
    #[must_use]
    pub fn of(variables: &[(&str, &str)], dot_env: &[(&str, &str)]) -> Self {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        Self {
            variables: map(variables),
            dot_env: map(dot_env),
            faults: Vec::new(),
        }
    }

    /// The variable's value and where it was set; a blank one counts as absent.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<Given> {
        let filled = |value: &&String| !value.trim().is_empty();
        if let Some(value) = self.variables.get(name).filter(filled) {
            return Some(Given::new(name.to_owned(), value.clone()));
        }
        let value = self.dot_env.get(name).filter(filled)?;
        Some(Given::new(format!("{name} in .env"), value.clone()))
    }

    /// Everything that is wrong with `.env`.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.faults.iter().map(ToString::to_string).collect()
    }

    /// What is wrong with `.env` as a whole, or with these variables in it.
    #[must_use]
    pub fn faults_about(&self, names: &[&str]) -> Vec<String> {
        let concerns = |fault: &&DotEnvError| match fault {
            DotEnvError::File(_) => true,
            DotEnvError::Variable(name) => names.contains(&name.as_str()),
            DotEnvError::Line => false,
        };
        let concerning = self.faults.iter().filter(concerns);
        concerning.map(ToString::to_string).collect()
    }
}

/// A value and where it was set.
#[derive(Clone)]
pub struct Given {
    /// `PORT`, `PORT in .env`, `--port`
    pub source: String,
    /// The value as it is written there.
    pub value: String,
}

impl Given {
    /// A `value` that was set in `source`.
    pub fn new(source: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            value: value.into(),
        }
    }
}

impl fmt::Debug for Given {
    /// Shows only the source: the value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Given").field(&self.source).finish()
    }
}
