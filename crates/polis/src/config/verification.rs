//! Which signatures are checked, and with which secrets.

use std::path::{Path, PathBuf};

use serve::{Faults, Given, Layers};
use url::Url;

use super::{file::FileScope, secrets::Secrets};
use crate::{
    destination::Destination,
    diagnosis::{Preset, Verification},
};

pub(super) fn http_url(given: Given, faults: &mut Faults) -> Option<Url> {
    faults.read(
        Some(given),
        "it must be a URL like https://example.com",
        |text| text.parse::<Destination>().ok().map(|to| to.url),
    )
}

fn preset(given: Option<Given>, faults: &mut Faults) -> Option<Preset> {
    let given = given?;
    match given.value.parse() {
        Ok(preset) => Some(preset),
        Err(fault) => {
            faults.add(format!("{}: {fault}", given.source));
            None
        }
    }
}

/// Files with secrets: those from the flag, and the one that the settings file names.
pub(super) struct SecretsFiles {
    pub(super) flag: Vec<PathBuf>,
    pub(super) file: Option<PathBuf>,
}

/// The check that the flags and the top level of the file ask for.
pub(super) fn verification(
    layers: &Layers<'_>,
    verify: Option<Given>,
    files: &SecretsFiles,
    enforce: bool,
    public_url: Option<String>,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> Option<Verification> {
    let had = faults.0.len();
    let asked = verify.is_some();
    let Some(preset) = preset(verify, faults) else {
        if !asked && enforce {
            faults.add("--enforce needs --verify with a preset");
        }
        return None;
    };
    let mut secrets = Secrets::of_process(preset, &files.flag, layers.around, faults);
    if let Some(path) = &files.file {
        secrets.add_file(path, preset, faults);
    }
    warnings.append(&mut secrets.warnings);
    if secrets.accepted.is_empty() && faults.0.len() == had {
        faults.add(format!(
            "--verify {preset} needs a secret: set POLIS_SECRETS, or give --secrets-file"
        ));
    }
    // Kept as it is written: providers sign the text.
    let public_url =
        public_url.filter(|url| http_url(Given::new("--public-url", url), faults).is_some());
    Some(Verification {
        preset,
        secrets: secrets.accepted,
        old_secrets: secrets.old,
        public_url,
        enforce,
    })
}

/// The check that a scope in the file asks for.
pub(super) fn of_scope(
    layers: &Layers<'_>,
    scope: &FileScope,
    place: &str,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> Option<Verification> {
    let asked = scope
        .verify
        .as_ref()
        .map(|value| Given::new(format!("verify of {place}"), value));
    preset(asked, faults).map(|preset| {
        let had = faults.0.len();
        let mut secrets = Secrets::default();
        if let Some(name) = &scope.secrets_variable {
            secrets.add_variables(layers.around, name, preset, faults);
        }
        if let Some(path) = &scope.secrets_file {
            secrets.add_file(Path::new(path), preset, faults);
        }
        let warned = secrets.warnings.iter();
        warnings.extend(warned.map(|warning| format!("{place}: {warning}")));
        if secrets.accepted.is_empty() && faults.0.len() == had {
            faults.add(format!(
                "{place}: verify needs a secret; name its variable in secrets_variable or its file in secrets_file"
            ));
        }
        Verification {
            preset,
            secrets: secrets.accepted,
            old_secrets: secrets.old,
            public_url: scope.public_url.clone(),
            enforce: scope.enforce,
        }
    })
}
