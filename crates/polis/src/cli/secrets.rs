//! Which scheme signs, and with which secrets; secrets are never given on the command line itself.

use std::path::PathBuf;

use serve::Surroundings;

use super::{screen::tell, trouble::Trouble};
use crate::{
    config::Secrets,
    diagnosis::{Preset, SigningSecret},
};

/// Where secrets come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SecretFiles {
    /// File with one secret per line, read before POLIS_SECRETS: its first one signs; write "old " before one that is no longer accepted, \ before one that begins with old, # or \
    #[arg(long, value_name = "FILE", alias = "secret-file")]
    secrets_file: Vec<PathBuf>,
}

impl SecretFiles {
    /// Whether no file was given.
    pub(super) fn is_empty(&self) -> bool {
        self.secrets_file.is_empty()
    }

    /// All secrets; writes to stderr what is odd about any of them.
    pub(super) fn read(&self, preset: Preset) -> Result<Secrets, Trouble> {
        let around = Surroundings::of_process();
        let secrets = Secrets::read(preset, &self.secrets_file, &around)?;
        for warning in &secrets.warnings {
            tell(warning);
        }
        Ok(secrets)
    }

    /// The secret that signs: the first accepted one. Writes to stderr which one that is, because
    /// a secret left over in a variable or `.env` signs just like the intended one.
    pub(super) fn signing(&self, preset: Preset) -> Result<SigningSecret, Trouble> {
        let secrets = self.read(preset)?;
        let count = secrets.accepted.len();
        let (index, secret) = secrets
            .accepted
            .into_iter()
            .enumerate()
            .find(|(_, secret)| secret.can_sign(preset))
            .ok_or_else(|| {
                Trouble::Given(
                    "a public key verifies but does not sign; give the whsk_ key, or a secret that signs"
                        .into(),
                )
            })?;
        let source = secrets.sources.get(index).map_or("", String::as_str);
        tell(&format!(
            "signed with secret {} of {count}, from {source}",
            index + 1
        ));
        Ok(secret)
    }
}
