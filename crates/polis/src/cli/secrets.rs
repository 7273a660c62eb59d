//! Which scheme signs, and with which secrets; never given on the command line itself.

use std::path::PathBuf;

use super::trouble::Trouble;
use crate::{
    config::{Secrets, Surroundings},
    diagnosis::{Preset, SigningSecret},
};

/// Where secrets come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SecretFiles {
    /// File with one secret a line, beside POLIS_SECRETS; "old" before one that is no longer accepted
    #[arg(long, value_name = "FILE", alias = "secret-file")]
    secrets_file: Vec<PathBuf>,
}

impl SecretFiles {
    /// Every secret.
    pub(super) fn read(&self, preset: Preset) -> Result<Secrets, Trouble> {
        Ok(Secrets::read(
            preset,
            &self.secrets_file,
            &Surroundings::of_process(),
        )?)
    }

    /// The secret that signs: the first accepted one.
    pub(super) fn signing(&self, preset: Preset) -> Result<SigningSecret, Trouble> {
        self.read(preset)?
            .accepted
            .into_iter()
            .find(|secret| !secret.expose().starts_with("whpk_"))
            .ok_or_else(|| {
                Trouble::Given(
                    "a whpk_ key verifies but does not sign; give the whsk_ key or a whsec_ secret"
                        .into(),
                )
            })
    }
}
