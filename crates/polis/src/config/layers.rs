//! Where a setting comes from, and the collection of everything that is wrong.

use std::{collections::HashMap, fmt, path::Path};

use crate::answer::NumberOrText;

/// The world around the program, so that tests need not change it.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: HashMap<String, String>,
    dot_env: HashMap<String, String>,
    faults: Vec<serve::DotEnvError>,
}

impl fmt::Debug for Surroundings {
    /// Names alone: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.variables.keys())
            .entries(self.dot_env.keys())
            .finish()
    }
}

impl Surroundings {
    /// The process's variables and `.env` of the current directory.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                value.into_string().ok().map(|value| (name, value))
            })
            .collect();
        let (dot_env, faults) = serve::read_dot_env(Path::new(".env"));
        Self {
            variables,
            dot_env,
            faults,
        }
    }

    /// Made-up surroundings: variables, and what `.env` holds.
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

    /// The variable's value and where it stood; an empty one counts as absent.
    pub(crate) fn variable(&self, name: &str) -> Option<Given> {
        let filled = |value: &&String| !value.is_empty();
        if let Some(value) = self.variables.get(name).filter(filled) {
            return Some(Given::new(name.to_owned(), value.clone()));
        }
        let value = self.dot_env.get(name).filter(filled)?;
        Some(Given::new(format!("{name} in .env"), value.clone()))
    }

    /// Everything that is wrong with `.env`.
    pub(super) fn faults(&self) -> Vec<String> {
        self.faults.iter().map(ToString::to_string).collect()
    }

    /// What is wrong with `.env` as a whole or with these variables in it.
    pub(super) fn faults_about(&self, names: &[&str]) -> Vec<String> {
        let concerns = |fault: &&serve::DotEnvError| match fault {
            serve::DotEnvError::File(_) => true,
            serve::DotEnvError::Variable(name) => names.contains(&name.as_str()),
            serve::DotEnvError::Line => false,
        };
        let concerning = self.faults.iter().filter(concerns);
        concerning.map(ToString::to_string).collect()
    }
}

/// A value and the name of where it was set.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) source: String,
    pub(crate) value: String,
}

impl Given {
    pub(super) fn new(source: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            value: value.into(),
        }
    }
}

/// The layers that a setting is looked for in, below the flags.
pub(super) struct Layers<'a> {
    pub(super) around: &'a Surroundings,
    pub(super) file_name: &'a str,
}

impl Layers<'_> {
    /// A setting without a variable; its flag is its key with hyphens.
    pub(super) fn plain(
        &self,
        key: &str,
        flag_value: Option<String>,
        file_value: Option<impl ToString>,
    ) -> Option<Given> {
        let flag = format!("--{}", key.replace('_', "-"));
        let file_value = file_value.map(|value| value.to_string());
        self.pick(&flag, flag_value, "", key, file_value)
    }

    /// The uppermost layer that says something; an empty `variable` is none.
    pub(super) fn pick(
        &self,
        flag: &str,
        flag_value: Option<String>,
        variable: &str,
        key: &str,
        file_value: Option<String>,
    ) -> Option<Given> {
        flag_value
            .map(|value| Given::new(flag, value))
            .or_else(|| self.around.variable(variable))
            .or_else(|| {
                file_value.map(|value| Given::new(format!("{key} in {}", self.file_name), value))
            })
    }
}

/// A number or a text of a file, as a flag would have it.
pub(super) fn text(value: Option<NumberOrText>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// Everything that is wrong with the configuration, one sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Reads values and remembers what is wrong.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<String>);

impl Faults {
    pub(super) fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    /// The value that was given, when `read` can make one of it; else a fault with `due`.
    pub(super) fn read<T>(
        &mut self,
        given: Option<Given>,
        due: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let given = given?;
        let value = read(given.value.trim());
        if value.is_none() {
            self.add(format!("{} is {:?}; {due}", given.source, given.value));
        }
        value
    }
}

/// `10MB`, `64k`, `10MiB`, `1048576`: multiples of 1,000 as they are shown, or of 1,024 with an i.
pub(super) fn size(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match lower[digits.len()..].trim() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000 * 1000,
        "g" | "gb" => 1000 * 1000 * 1000,
        "kib" => 1024,
        "mib" => 1024 * 1024,
        "gib" => 1024 * 1024 * 1024,
        _ => return None,
    };
    digits
        .trim()
        .parse::<usize>()
        .ok()?
        .checked_mul(factor)
        .filter(|bytes| *bytes > 0)
}
