//! Standard Webhooks: `webhook-*` or `svix-*`, HMAC-SHA256 (`v1`) and ed25519 (`v1a`).

use super::VerifyError;
use super::headers::{MAX_SIGNATURES, base64_bytes, signed_id, single, timestamp};
use super::verifier::Signed;
use crate::secret::{Key, Secret};
use crate::signature::{ASYMMETRIC_VERSION, SYMMETRIC_VERSION, signed_head};
use ed25519_dalek::VerifyingKey;
use hmac::Mac;
use http::HeaderMap;
use subtle::ConstantTimeEq;

struct Names {
    id: &'static str,
    timestamp: &'static str,
    signature: &'static str,
}

const STANDARD: Names = Names {
    id: "webhook-id",
    timestamp: "webhook-timestamp",
    signature: "webhook-signature",
};

const SVIX: Names = Names {
    id: "svix-id",
    timestamp: "svix-timestamp",
    signature: "svix-signature",
};

pub(super) fn check(
    secrets: &[Secret],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signed, VerifyError> {
    // A sender that is moving sends both sets; the standard one then counts.
    let svix_only =
        !headers.contains_key(STANDARD.signature) && headers.contains_key(SVIX.signature);
    let names = if svix_only { SVIX } else { STANDARD };
    let list = single(headers, names.signature)?;
    let id = signed_id(headers, names.id)?;
    let timestamp_s = timestamp(names.timestamp, single(headers, names.timestamp)?)?;
    let offered = Offered::parse(names.signature, list)?;

    let head = signed_head(id, timestamp_s);
    let secret_index = offered.first_match(secrets, head.as_bytes(), body).ok_or({
        VerifyError::NoSignatureMatched {
            signatures: offered.symmetric.len() + offered.asymmetric.len(),
            secrets: secrets.len(),
        }
    })?;
    Ok(Signed {
        secret_index,
        id: Some(id.to_owned()),
        timestamp_s: Some(timestamp_s),
        ..Signed::default()
    })
}

/// The signatures of a request that are of a version we know and have the right length.
#[derive(Default)]
struct Offered {
    symmetric: Vec<[u8; 32]>,
    asymmetric: Vec<[u8; 64]>,
}

impl Offered {
    /// Reads the space-separated list. An entry that cannot be read does not spoil one that can,
    /// since versions to come may look different; a list with nothing usable is malformed.
    fn parse(name: &'static str, list: &str) -> Result<Self, VerifyError> {
        let mut offered = Self::default();
        let mut problem = "it is empty";
        for (index, entry) in list
            .split(' ')
            .filter(|entry| !entry.is_empty())
            .enumerate()
        {
            if index == MAX_SIGNATURES {
                return Err(VerifyError::TooManySignatures {
                    name,
                    limit: MAX_SIGNATURES,
                });
            }
            match entry.split_once(',') {
                Some((SYMMETRIC_VERSION, text)) => match base64_bytes(text) {
                    Some(bytes) => offered.symmetric.push(bytes),
                    None => problem = "what follows `v1,` is not 32 bytes of base64",
                },
                Some((ASYMMETRIC_VERSION, text)) => match base64_bytes(text) {
                    Some(bytes) => offered.asymmetric.push(bytes),
                    None => problem = "what follows `v1a,` is not 64 bytes of base64",
                },
                Some(_) => problem = "it holds no `v1` or `v1a` signature",
                None => problem = "a signature has no comma after its version",
            }
        }
        if offered.symmetric.is_empty() && offered.asymmetric.is_empty() {
            return Err(VerifyError::Malformed { name, problem });
        }
        Ok(offered)
    }

    /// Which secret made one of the signatures: every signature is tried with every secret.
    fn first_match(&self, secrets: &[Secret], head: &[u8], body: &[u8]) -> Option<usize> {
        // The strict ed25519 check wants the signed bytes in one piece; made only when needed.
        let mut signed = None;
        secrets.iter().position(|secret| match secret.key() {
            Key::Symmetric { keyed, .. } if !self.symmetric.is_empty() => {
                let mut mac = keyed.clone();
                mac.update(head);
                mac.update(body);
                let ours = mac.finalize().into_bytes();
                self.symmetric
                    .iter()
                    .any(|theirs| ours.as_slice().ct_eq(theirs).into())
            }
            Key::Symmetric { .. } => false,
            Key::Signing(key) if !self.asymmetric.is_empty() => {
                let signed = signed.get_or_insert_with(|| [head, body].concat());
                self.ed25519_matches(&key.verifying_key(), signed)
            }
            Key::Verifying(key) if !self.asymmetric.is_empty() => {
                let signed = signed.get_or_insert_with(|| [head, body].concat());
                self.ed25519_matches(key, signed)
            }
            Key::Signing(_) | Key::Verifying(_) => false,
        })
    }

    fn ed25519_matches(&self, key: &VerifyingKey, signed: &[u8]) -> bool {
        self.asymmetric.iter().any(|bytes| {
            let theirs = ed25519_dalek::Signature::from_bytes(bytes);
            key.verify_strict(signed, &theirs).is_ok()
        })
    }
}
