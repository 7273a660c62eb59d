//! Signing secrets from variables and files; never from the command line, which every
//! process of the machine can read.

use std::path::{Path, PathBuf};

use super::{
    ConfigError,
    layers::{Faults, Surroundings},
};
use crate::diagnosis::{Preset, SigningSecret};

/// Secrets of one scope, or of one run of the command line.
///
/// They are in the order in which they were added, by which they are numbered; the first one
/// signs.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    pub(crate) accepted: Vec<SigningSecret>,
    pub(crate) old: Vec<SigningSecret>,
    /// Where each of the accepted ones stood.
    pub(crate) sources: Vec<String>,
    /// What is odd about a secret, but no reason to refuse it.
    pub(crate) warnings: Vec<String>,
}

impl Secrets {
    /// The secrets of these files, and after them those of POLIS_SECRETS and
    /// POLIS_OLD_SECRETS; at least one accepted.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub(crate) fn read(
        preset: Preset,
        files: &[PathBuf],
        around: &Surroundings,
    ) -> Result<Self, ConfigError> {
        let mut faults = Faults(around.faults());
        let mut secrets = Self::default();
        // A flag is over a variable.
        for path in files {
            secrets.add_file(path, preset, &mut faults);
        }
        secrets.add_variable(around, "POLIS_SECRETS", false, preset, &mut faults);
        secrets.add_variable(around, "POLIS_OLD_SECRETS", true, preset, &mut faults);
        if secrets.accepted.is_empty() && faults.0.is_empty() {
            faults.add(format!(
                "a {preset} signature needs a secret: set POLIS_SECRETS, or give --secrets-file"
            ));
        }
        if faults.0.is_empty() {
            Ok(secrets)
        } else {
            Err(ConfigError(faults.0))
        }
    }

    /// Adds the secrets of a variable, several separated by white space or commas.
    pub(super) fn add_variable(
        &mut self,
        around: &Surroundings,
        name: &str,
        are_old: bool,
        preset: Preset,
        faults: &mut Faults,
    ) {
        let Some(given) = around.variable(name) else {
            return;
        };
        let texts = given
            .value
            .split(|letter: char| letter.is_whitespace() || letter == ',');
        for text in texts.filter(|text| !text.is_empty()) {
            self.add(text, are_old, preset, &given.source, faults);
        }
    }

    /// Adds the secrets of a file, one a line; `old` and a space before an old one.
    pub(super) fn add_file(&mut self, path: &Path, preset: Preset, faults: &mut Faults) {
        let source = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return faults.add(format!("the secrets file {source}: {error}")),
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.strip_prefix("old ") {
                Some(old) => self.add(old, true, preset, &source, faults),
                None => self.add(line, false, preset, &source, faults),
            }
        }
    }

    fn add(&mut self, text: &str, is_old: bool, preset: Preset, source: &str, faults: &mut Faults) {
        let secret = match SigningSecret::new(text, preset) {
            Ok(secret) => secret,
            Err(fault) => return faults.add(format!("{source}: {fault}")),
        };
        if let Some(doubt) = secret.doubt(preset) {
            self.warnings.push(format!("{source}: {doubt}"));
        }
        if is_old {
            self.old.push(secret);
        } else {
            self.accepted.push(secret);
            self.sources.push(source.to_owned());
        }
    }
}
