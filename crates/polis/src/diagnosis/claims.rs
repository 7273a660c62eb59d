//! What a request claims about its signature, read more tolerantly than by a verifier: anything
//! odd becomes a finding, and is examined anyway.

use serde_json::value::RawValue;
use serve::wire::Head;
use webhooks_core::scheme::{Algorithm, Form, Names, Part, SIGNATURES_MAX, Scheme};

use super::{Finding, FindingKind, Preset};

/// The claims of one request under one preset.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Without version or algorithm prefix.
    pub(super) signatures: Vec<String>,
    /// Signatures that a public key verifies.
    pub(super) asymmetric: Vec<String>,
    pub(super) id: String,
    pub(super) timestamp: Option<String>,
    /// Problems of the headers themselves.
    pub(super) findings: Vec<Finding>,
}

impl Claims {
    pub(super) fn read(preset: Preset, head: &Head, body: &[u8]) -> Self {
        let scheme = preset.scheme();
        let mut claims = Self::default();
        let mut all = scheme.names.iter();
        let named = all.find(|names| head.get(names.signature).is_some());
        let Some(names) = named.or(scheme.names.first()) else {
            return claims;
        };
        if let Some(value) = claims.single(head, names.signature) {
            claims.signatures(scheme, names, &value);
        } else if head.get("x-hub-signature").is_some() && names.signature.starts_with("X-Hub-") {
            claims.find("only the old X-Hub-Signature (SHA-1) came; expected X-Hub-Signature-256");
        }
        if let Some(name) = names.id.filter(|_| scheme.signs(Part::Id)) {
            claims.id = claims.single(head, name).unwrap_or_default();
            if claims.id.is_empty() && head.get(names.signature).is_some() {
                claims.find(format!("{name} is missing"));
            }
        }
        if let Some(name) = names.timestamp {
            claims.timestamp = claims.single(head, name);
        }
        if let Some(field) = scheme.body_time_ms {
            claims.timestamp = body_time(field, body);
        }
        claims
    }

    fn find(&mut self, text: impl Into<String>) {
        self.findings.push(Finding {
            kind: FindingKind::Header,
            text: text.into(),
        });
    }

    fn single(&mut self, head: &Head, name: &str) -> Option<String> {
        let count = head.all(name).count();
        if count > 1 {
            self.find(format!("{name} came {count} times; expected it once"));
        }
        let value = head.get(name)?;
        if let Ok(text) = std::str::from_utf8(value) {
            return Some(text.to_owned());
        }
        self.find(format!("{name} is not UTF-8"));
        None
    }

    fn signatures(&mut self, scheme: &Scheme, names: &Names, value: &str) {
        match scheme.form {
            Form::Bare => self.take(scheme.algorithm, value),
            Form::Prefixed(prefix) => {
                let bare = value.strip_prefix(prefix);
                if bare.is_none() {
                    self.find(format!("{} does not begin with {prefix}", names.signature));
                }
                self.take(scheme.algorithm, bare.unwrap_or(value));
            }
            Form::Pairs {
                separator,
                timestamp,
                signature,
            } => {
                for part in value.split(separator) {
                    match part.trim().split_once('=') {
                        Some((name, time)) if name == timestamp => {
                            self.timestamp = Some(time.to_owned());
                        }
                        Some((name, text)) if name == signature => {
                            self.take(scheme.algorithm, text);
                        }
                        _ => {}
                    }
                }
                if self.signatures.is_empty() {
                    self.find(format!("{} has no {signature}= part", names.signature));
                }
            }
            Form::Versions(known) => {
                for entry in value.split(' ').filter(|entry| !entry.is_empty()) {
                    let (version, text) = entry.split_once(',').unwrap_or(("", entry));
                    let found = known.iter().find(|known| known.name == version);
                    match found {
                        Some(version) => self.take(version.algorithm, text),
                        None if version.is_empty() => {
                            self.find(format!(
                                "{} has an entry without its version; expected \"v1,\"",
                                names.signature
                            ));
                            self.take(scheme.algorithm, text);
                        }
                        None => self.find(format!(
                            "unknown signature version {version:?}; expected v1"
                        )),
                    }
                }
            }
        }
    }

    /// Signatures beyond the verifier's limit are not examined here either.
    fn take(&mut self, algorithm: Algorithm, text: &str) {
        let taken = self.signatures.len() + self.asymmetric.len();
        if taken == SIGNATURES_MAX {
            if !self
                .findings
                .iter()
                .any(|finding| finding.text.starts_with("more than"))
            {
                self.find(format!("more than {SIGNATURES_MAX} signatures"));
            }
        } else if algorithm == Algorithm::Ed25519 {
            self.asymmetric.push(text.to_owned());
        } else {
            self.signatures.push(text.to_owned());
        }
    }
}

/// The seconds of a JSON body's field that holds a time in milliseconds.
fn body_time(field: &str, body: &[u8]) -> Option<String> {
    let fields: std::collections::HashMap<&str, &RawValue> = serde_json::from_slice(body).ok()?;
    let milliseconds = fields.get(field)?.get();
    let seconds = milliseconds.parse::<i64>().ok()? / 1000;
    Some(seconds.to_string())
}
