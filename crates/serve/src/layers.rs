//! Settings that can be given in several places: a flag wins over a variable, that over `.env`, and
//! that over a file.

use crate::{
    surroundings::{Given, Surroundings},
    variables::SettingsError,
};

/// The layers, below the flags, in which a setting is looked up.
#[derive(Debug)]
pub struct Layers<'a> {
    /// Variables and `.env`.
    pub around: &'a Surroundings,
    /// What error messages call the settings file.
    pub file_name: &'a str,
}

impl Layers<'_> {
    /// A setting without a variable; its flag is its key with hyphens.
    pub fn plain(
        &self,
        key: &str,
        flag_value: Option<String>,
        file_value: Option<impl ToString>,
    ) -> Option<Given> {
        let flag = format!("--{}", key.replace('_', "-"));
        let file_value = file_value.map(|value| value.to_string());
        self.pick(&flag, flag_value, "", key, file_value)
    }

    /// The value from the topmost layer that has one; an empty `variable` stands for no variable.
    pub fn pick(
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

/// Reads values and collects what is wrong with them.
#[derive(Debug, Default)]
pub struct Faults(pub Vec<String>);

impl Faults {
    /// Adds a sentence that says what is wrong.
    pub fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    /// Succeeds when nothing is wrong.
    ///
    /// # Errors
    /// [`SettingsError`] lists everything that is wrong.
    pub fn none(self) -> Result<(), SettingsError> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(SettingsError(self.0)),
        }
    }

    /// The given value as `read` parses it. When `read` cannot, a fault is added that ends with
    /// `due`, the sentence that says what is expected.
    pub fn read<T>(
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

/// Parses a size such as `10MB`, `64k`, `10MiB` or `1048576`: in multiples of 1,000, as sizes are
/// displayed, or of 1,024 with an `i`.
#[must_use]
pub fn size(text: &str) -> Option<usize> {
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
