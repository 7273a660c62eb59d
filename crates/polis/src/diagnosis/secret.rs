//! A secret that makes signatures, and the keys that people derive from it.

use base64::{
    Engine,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{STANDARD, URL_SAFE},
    },
};

use webhooks_core::{SecretError, scheme::Key};

use super::Preset;

/// Padding is optional: senders copy secrets with and without it.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key sizes that Standard Webhooks requires, in bytes.
const STANDARD_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A signing secret as configured; its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why the text is not a signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// The text is empty.
    #[error("a secret is empty")]
    Empty,
    /// Its prefix promises base64, but it is not; the number of characters it has.
    #[error(
        "a secret that begins with \"whsec_\", \"whpk_\" or \"whsk_\" goes on in base64, but this one ({0} characters) does not decode"
    )]
    NotBase64(usize),
    /// The error of webhooks-core.
    #[error(transparent)]
    Refused(#[from] SecretError),
}

impl SigningSecret {
    /// Takes a secret for signatures of this preset.
    ///
    /// # Errors
    /// [`SecretFault`]; it never repeats the secret.
    pub fn new(text: &str, preset: Preset) -> Result<Self, SecretFault> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(SecretFault::Empty);
        }
        // A line end at the end of a variable or file is never meant as part of the secret.
        let exact = Self(text.trim_end_matches(['\r', '\n']).to_owned());
        if preset != Preset::Standard {
            preset.lenient_key(&exact.0)?;
            return Ok(exact);
        }
        match preset.lenient_key(trimmed) {
            Ok(_) => {
                let coded = Self(trimmed.to_owned());
                Ok(if coded.is_raw(preset) { exact } else { coded })
            }
            Err(SecretError::NotBase64 { .. } | SecretError::Empty) => {
                Err(SecretFault::NotBase64(trimmed.chars().count()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it can make signatures of this preset, and not only verify them.
    pub fn can_sign(&self, preset: Preset) -> bool {
        self.to_key(preset).is_some_and(|key| key.can_sign())
    }

    /// The secret as the preset uses it; `None` if it is not valid for the preset, as another
    /// scope's secret may be.
    pub(super) fn to_key(&self, preset: Preset) -> Option<Key> {
        preset.lenient_key(&self.0).ok()
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is odd about the secret, without repeating it. Such a secret is used anyway:
    /// debugging a sender requires trying exactly the secret that the sender has.
    pub fn doubt(&self, preset: Preset) -> Option<String> {
        if preset != Preset::Standard {
            return None;
        }
        if self.is_raw(preset) {
            return Some("the secret is not base64, so the text itself is the key".to_owned());
        }
        let bytes = self.decoded()?.len();
        let (least, most) = (STANDARD_KEY_BYTES.start(), STANDARD_KEY_BYTES.end());
        (!STANDARD_KEY_BYTES.contains(&bytes)).then(|| {
            let (noun, how) = match bytes {
                1 => ("byte", "cut"),
                _ if bytes < *least => ("bytes", "cut"),
                _ => ("bytes", "joined with something else"),
            };
            let prefix = if self.0.starts_with("whsec_") { "whsec_ " } else { "" };
            format!(
                "the {prefix}secret decodes to {bytes} {noun}, but Standard Webhooks wants {least} to {most}; was it {how}?"
            )
        })
    }

    /// Whether its text itself is the key, although the preset's keys are base64.
    pub(super) fn is_raw(&self, preset: Preset) -> bool {
        preset == Preset::Standard
            && self.decoded().is_none()
            && !["whpk_", "whsk_"]
                .iter()
                .any(|prefix| self.0.starts_with(prefix))
    }

    fn decoded(&self) -> Option<Vec<u8>> {
        let text = self.0.strip_prefix("whsec_").unwrap_or(&self.0);
        let key = LENIENT.decode(text).ok()?;
        (!key.is_empty()).then_some(key)
    }

    /// The key with which this preset signs.
    pub(super) fn key(&self, preset: Preset) -> Vec<u8> {
        if preset == Preset::Standard
            && let Some(key) = self.decoded()
        {
            return key;
        }
        self.0.clone().into_bytes()
    }

    /// Keys that are wrong for this preset but often used, each with the mistake in words.
    pub(super) fn mistaken_keys(&self, preset: Preset) -> Vec<(&'static str, Vec<u8>)> {
        let right = self.key(preset);
        let stripped = self.0.strip_prefix("whsec_");
        let mut keys = vec![
            (
                "the secret is used as text, not decoded from base64",
                stripped.unwrap_or(&self.0).as_bytes().to_vec(),
            ),
            (
                "the whole secret is used as text, with its prefix and not decoded",
                self.0.clone().into_bytes(),
            ),
            (
                "the key has a line end after the secret",
                format!("{}\n", self.0).into_bytes(),
            ),
        ];
        if let Some(decoded) = self.decoded() {
            keys.push((
                "the secret is decoded from base64, but must be used as text",
                decoded,
            ));
        }
        if let Some(decoded) = stripped
            .and_then(|text| URL_SAFE.decode(text).ok())
            .filter(|key| STANDARD.encode(key) != stripped.unwrap_or_default())
        {
            keys.push(("the secret is decoded as URL-safe base64", decoded));
        }
        if let Ok(decoded) = hex::decode(&self.0) {
            keys.push((
                "the secret is decoded from hex, but must be used as text",
                decoded,
            ));
        }
        keys.retain(|(_, key)| *key != right);
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = SigningSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Preset::Standard);
        assert_eq!(format!("{secret:?}"), "Ok(Secret(..))");
        let fault = SigningSecret::new("whsec_not base64!", Preset::Standard).unwrap_err();
        assert!(!fault.to_string().contains("not base64!"));
        assert_eq!(
            SigningSecret::new(" ", Preset::GitHub),
            Err(SecretFault::Empty)
        );
    }
}
