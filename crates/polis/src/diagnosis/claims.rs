//! What a request claims about its signature: the signatures, the id and the time it names.

use super::{Finding, FindingKind, Preset};
use crate::wire::Head;

/// The claims of one request under one preset.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Without version or algorithm prefix.
    pub(super) signatures: Vec<String>,
    /// The `v1a` signatures of Standard Webhooks.
    pub(super) asymmetric: Vec<String>,
    pub(super) id: String,
    pub(super) timestamp: Option<String>,
    /// What is wrong with the headers themselves.
    pub(super) findings: Vec<Finding>,
}

impl Claims {
    pub(super) fn read(preset: Preset, head: &Head) -> Self {
        let mut claims = Self::default();
        match preset {
            Preset::Standard => claims.standard(head),
            Preset::Stripe => claims.stripe(head),
            Preset::Github => {
                claims.prefixed(head, preset, "sha256=");
                if claims.signatures.is_empty() && head.get("x-hub-signature").is_some() {
                    claims.find(
                        FindingKind::Header,
                        "only the old X-Hub-Signature (SHA-1) came; X-Hub-Signature-256 is due",
                    );
                }
            }
            Preset::Slack => {
                claims.prefixed(head, preset, "v0=");
                claims.timestamp = claims.single(head, "X-Slack-Request-Timestamp");
            }
            Preset::Shopify | Preset::Twilio => {
                claims.signatures = claims
                    .single(head, preset.signature_header())
                    .into_iter()
                    .collect();
            }
        }
        claims
    }

    fn find(&mut self, kind: FindingKind, text: impl Into<String>) {
        self.findings.push(Finding {
            kind,
            text: text.into(),
        });
    }

    fn single(&mut self, head: &Head, name: &str) -> Option<String> {
        let count = head.all(name).count();
        if count > 1 {
            self.find(
                FindingKind::Header,
                format!("{name} came {count} times; one is due"),
            );
        }
        let value = head.get(name)?;
        if let Ok(text) = std::str::from_utf8(value) {
            return Some(text.to_owned());
        }
        self.find(FindingKind::Header, format!("{name} is not UTF-8"));
        None
    }

    fn prefixed(&mut self, head: &Head, preset: Preset, prefix: &str) {
        let name = preset.signature_header();
        let Some(value) = self.single(head, name) else {
            return;
        };
        if let Some(signature) = value.strip_prefix(prefix) {
            self.signatures.push(signature.to_owned());
        } else {
            self.find(
                FindingKind::Header,
                format!("{name} does not begin with {prefix}"),
            );
            self.signatures.push(value);
        }
    }

    fn standard(&mut self, head: &Head) {
        let family =
            if head.get("webhook-signature").is_none() && head.get("svix-signature").is_some() {
                "svix"
            } else {
                "webhook"
            };
        let id_name = format!("{family}-id");
        let time_name = format!("{family}-timestamp");
        self.id = self.single(head, &id_name).unwrap_or_default();
        self.timestamp = self.single(head, &time_name);
        let Some(list) = self.single(head, &format!("{family}-signature")) else {
            return;
        };
        if self.id.is_empty() {
            self.find(FindingKind::Header, format!("{id_name} is missing"));
        }
        for entry in list.split(' ').filter(|entry| !entry.is_empty()) {
            match entry.split_once(',') {
                Some(("v1", signature)) => self.signatures.push(signature.to_owned()),
                Some(("v1a", signature)) => self.asymmetric.push(signature.to_owned()),
                Some((version, _)) => self.find(
                    FindingKind::Header,
                    format!("a signature of version {version:?} is not known; v1 is due"),
                ),
                None => {
                    self.find(
                        FindingKind::Header,
                        format!(
                            "{family}-signature has an entry without its version; \"v1,\" is due"
                        ),
                    );
                    self.signatures.push(entry.to_owned());
                }
            }
        }
    }

    fn stripe(&mut self, head: &Head) {
        let Some(value) = self.single(head, "Stripe-Signature") else {
            return;
        };
        for part in value.split(',') {
            match part.trim().split_once('=') {
                Some(("t", time)) => self.timestamp = Some(time.to_owned()),
                Some(("v1", signature)) => self.signatures.push(signature.to_owned()),
                _ => {}
            }
        }
        if self.signatures.is_empty() {
            self.find(FindingKind::Header, "Stripe-Signature has no v1= part");
        }
    }
}
