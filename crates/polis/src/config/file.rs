//! `polis.toml`.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serve::Faults;

use crate::answer::{NumberOrText, RuleSpec};

/// An example file with all parts; the crate's README contains the same.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// The file. Top-level settings have the names of the flags; `[[rules]]` are tried before the
/// answer that the flags set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) host: Option<String>,
    pub(super) port: Option<NumberOrText>,
    pub(super) ui_port: Option<NumberOrText>,
    pub(super) seconds_to_sleep: Option<NumberOrText>,
    pub(super) respond: Option<NumberOrText>,
    pub(super) fail_rate: Option<NumberOrText>,
    pub(super) seed: Option<NumberOrText>,
    pub(super) retry_after: Option<NumberOrText>,
    pub(super) headers: Vec<String>,
    pub(super) body: Option<String>,
    pub(super) challenge: bool,
    pub(super) redirect: Option<String>,
    pub(super) forward: Option<String>,
    pub(super) verify: Option<String>,
    pub(super) secrets_file: Option<String>,
    pub(super) enforce: Option<bool>,
    pub(super) public_url: Option<String>,
    pub(super) keep_requests: Option<NumberOrText>,
    pub(super) keep_bytes: Option<NumberOrText>,
    pub(super) body_limit: Option<NumberOrText>,
    pub(super) store: Option<String>,
    pub(super) replay_to: Vec<String>,
    pub(super) rules: Vec<RuleSpec>,
    pub(super) scopes: BTreeMap<String, FileScope>,
}

/// `[scopes.<name>]`; secrets are in the named variable or file, never written here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileScope {
    /// The answer if none of the rules matches a request.
    pub(super) respond: Option<NumberOrText>,
    pub(super) rules: Vec<RuleSpec>,
    pub(super) capacity: Option<usize>,
    pub(super) verify: Option<String>,
    pub(super) secrets_variable: Option<String>,
    pub(super) secrets_file: Option<String>,
    pub(super) enforce: bool,
    pub(super) public_url: Option<String>,
}

/// Reads the settings that `T` declares from the file, and returns them with the file's name. Without a file, no
/// setting is given.
pub(super) fn read_file<T: DeserializeOwned + Default>(
    path: Option<&Path>,
    faults: &mut Faults,
) -> (T, String) {
    let name = path.unwrap_or(Path::new("polis.toml"));
    let shown = name.display().to_string();
    let text = match std::fs::read_to_string(name) {
        Ok(text) => text,
        // Only a file that was asked for must exist.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.is_none() => {
            return (T::default(), shown);
        }
        Err(error) => {
            faults.add(format!("{shown}: {error}"));
            return (T::default(), shown);
        }
    };
    match toml::from_str(&text) {
        Ok(file) => (file, shown),
        Err(error) => {
            faults.add(format!("{shown}: {}", error.to_string().trim_end()));
            (T::default(), shown)
        }
    }
}
