//! Signing secrets from variables and files; never from the command line, which every process
//! on the machine can read.

use std::path::{Path, PathBuf};

use serve::{Faults, SettingsError, Surroundings};

use crate::diagnosis::{Preset, SigningSecret};

/// Marks a line of a secrets file whose secret is no longer accepted.
const OLD: &str = "old ";
/// Comes before a line that is a secret as it is, whatever it begins with.
const VERBATIM: char = '\\';
/// If all pieces of a variable are at least this long, they are probably secrets rather than words of one.
const SECRET_CHARS: usize = 16;

/// Secrets of one scope, or of one run of the command line.
///
/// They are in the order in which they were added, which also numbers them; the first one signs.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    pub(crate) accepted: Vec<SigningSecret>,
    pub(crate) old: Vec<SigningSecret>,
    /// The source of each accepted secret.
    pub(crate) sources: Vec<String>,
    /// What is odd about a secret, without being a reason to refuse it.
    pub(crate) warnings: Vec<String>,
}

impl Secrets {
    /// The secrets of these files, followed by those of POLIS_SECRETS and POLIS_OLD_SECRETS; at
    /// least one must be an accepted one.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong.
    pub(crate) fn read(
        preset: Preset,
        files: &[PathBuf],
        around: &Surroundings,
    ) -> Result<Self, SettingsError> {
        let mut faults = Faults(around.faults());
        let secrets = Self::of_process(preset, files, around, &mut faults);
        if secrets.accepted.is_empty() && faults.0.is_empty() {
            faults.add(format!(
                "a {preset} signature needs a secret: set POLIS_SECRETS, or give --secrets-file"
            ));
        }
        faults.none()?;
        Ok(secrets)
    }

    /// The same, even if there are none.
    pub(super) fn of_process(
        preset: Preset,
        files: &[PathBuf],
        around: &Surroundings,
        faults: &mut Faults,
    ) -> Self {
        let mut secrets = Self::default();
        // A flag overrides a variable.
        for path in files {
            secrets.add_file(path, preset, faults);
        }
        secrets.add_variables(around, "POLIS_SECRETS", preset, faults);
        for given in serve::numbered("POLIS_OLD_SECRETS", |name| around.variable(name)) {
            let old = secrets.checked(&given.value, preset, &given.source, faults);
            secrets.old.extend(old);
        }
        secrets
    }

    /// Adds the secret that the variable holds, and those of `name_1`, `name_2` and so on.
    pub(super) fn add_variables(
        &mut self,
        around: &Surroundings,
        name: &str,
        preset: Preset,
        faults: &mut Faults,
    ) {
        for given in serve::numbered(name, |name| around.variable(name)) {
            if looks_like_a_list(&given.value) {
                self.warnings.push(format!(
                    "{}: it counts as one secret, including its spaces and commas; put several in {name}_1, {name}_2 … or one per line in a secrets file",
                    given.source
                ));
            }
            self.add(&given.value, preset, &given.source, faults);
        }
    }

    /// Adds the secrets of a file, one per line, as they are except for white space at the ends.
    /// `old` and a space come before an old one, `#` before a comment, and a backslash before a
    /// secret that begins with any of these or whose white space counts.
    pub(super) fn add_file(&mut self, path: &Path, preset: Preset, faults: &mut Faults) {
        let source = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return faults.add(format!("the secrets file {source}: {error}")),
        };
        for line in text.trim_start_matches('\u{feff}').lines() {
            let (is_old, secret) = match line.trim_start().strip_prefix(OLD) {
                Some(old) => (true, old),
                None => (false, line),
            };
            let secret = match secret.strip_prefix(VERBATIM) {
                Some(verbatim) => verbatim,
                None if secret.trim().is_empty() || line.trim_start().starts_with('#') => continue,
                None => secret.trim(),
            };
            if is_old {
                let old = self.checked(secret, preset, &source, faults);
                self.old.extend(old);
            } else {
                self.add(secret, preset, &source, faults);
            }
        }
    }

    fn add(&mut self, text: &str, preset: Preset, source: &str, faults: &mut Faults) {
        if let Some(secret) = self.checked(text, preset, source, faults) {
            self.accepted.push(secret);
            self.sources.push(source.to_owned());
        }
    }

    fn checked(
        &mut self,
        text: &str,
        preset: Preset,
        source: &str,
        faults: &mut Faults,
    ) -> Option<SigningSecret> {
        match SigningSecret::new(text, preset) {
            Ok(secret) => {
                let doubt = secret.doubt(preset);
                self.warnings
                    .extend(doubt.map(|doubt| format!("{source}: {doubt}")));
                Some(secret)
            }
            Err(fault) => {
                faults.add(format!("{source}: {fault}"));
                None
            }
        }
    }
}

/// Whether somebody may have meant several secrets: earlier versions split lists at these characters.
fn looks_like_a_list(value: &str) -> bool {
    let pieces: Vec<&str> = value
        .split(|letter: char| letter.is_whitespace() || letter == ',')
        .filter(|piece| !piece.is_empty())
        .collect();
    pieces.len() > 1
        && pieces
            .iter()
            .all(|piece| piece.chars().count() >= SECRET_CHARS)
}
