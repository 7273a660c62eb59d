//! The search for the secret, key, content and body that explain a signature.

use base64::Engine;
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::{
    Diagnosis, Finding, FindingKind, Preset, SigningSecret, Verdict, Verification, asymmetric,
    claims::Claims,
    preset::Encoding,
    secret::LENIENT,
    time, twilio,
    variants::{self, BodyVariant},
};
use crate::wire::Head;

/// Beyond this, only one deviation at a time is tried: the search must stay short.
const PAIRS_BODY_BYTES: usize = 16 * 1024;
/// Beyond this, other bodies are not tried at all: the sender waits for its answer meanwhile.
const VARIANTS_BODY_BYTES: usize = 256 * 1024;

/// Explains the signature of one request. `others` are secrets of other scopes with the
/// names of these.
#[must_use]
pub fn diagnose(
    verification: &Verification,
    others: &[(String, SigningSecret)],
    head: &Head,
    body: &[u8],
    now: Timestamp,
) -> Diagnosis {
    let preset = verification.preset;
    let claims = Claims::read(preset, head);
    let contents = contents(verification, &claims, head, body);
    let body_is_signed = preset != Preset::Twilio;
    let expected = contents
        .first()
        .map(|content| content.prefix.clone())
        .unwrap_or_default();
    let mut diagnosis = Diagnosis {
        preset,
        verdict: Verdict::Failed,
        text: String::new(),
        findings: claims.findings.clone(),
        secret: None,
        secrets: verification.secrets.len(),
        timestamp_age_s: None,
        signed_prefix: String::new(),
        body_is_signed,
    }
    .with_content(&expected, body_is_signed);

    let content = diagnosis.signed(body);
    let asymmetric = |secrets| asymmetric::verified_by(secrets, &claims.asymmetric, &content);
    if let Some(index) = asymmetric(&verification.secrets) {
        diagnosis.secret = Some(index + 1);
        time::judge(&claims, preset, now, &mut diagnosis);
        if diagnosis.findings.is_empty() {
            diagnosis.verdict = Verdict::Ok;
        }
    } else if let Some(index) = asymmetric(&verification.old_secrets) {
        let old = verification.old_secrets.len();
        diagnosis.findings.insert(0, old_secret(index, old));
    } else if claims.signatures.is_empty() && !claims.asymmetric.is_empty() {
        let text = "no accepted whpk_ key verifies the v1a signature: the key is another one, or the body was changed";
        diagnosis
            .findings
            .insert(0, finding(FindingKind::Unknown, text));
    } else if claims.signatures.is_empty() {
        diagnosis.verdict = Verdict::Missing;
        if diagnosis.findings.is_empty() {
            diagnosis.findings.push(Finding {
                kind: FindingKind::Header,
                text: format!("there is no {} header", preset.signature_header()),
            });
        }
    } else {
        let search = Search {
            preset,
            signatures: decoded(&claims.signatures),
            contents,
            body: if body_is_signed { body } else { b"" },
        };
        let keys = keys(verification, others);
        match search.run(&keys) {
            Some(found) => {
                diagnosis.secret = found.secret;
                let explained = !found.findings.is_empty();
                diagnosis.findings.splice(0..0, found.findings);
                if let Some(url) = found.content.filter(|_| !explained && !body_is_signed) {
                    // The default port may be written out: show the URL that matched.
                    diagnosis = diagnosis.with_content(&url, false);
                }
            }
            None => diagnosis.findings.insert(
                0,
                Finding {
                    kind: FindingKind::Unknown,
                    text: unknown(&search, verification),
                },
            ),
        }
        time::judge(&claims, preset, now, &mut diagnosis);
        if preset == Preset::Twilio
            && let Some(finding) = twilio::uncovered_body(head, body)
        {
            diagnosis.findings.insert(0, finding);
        }
        if diagnosis.findings.is_empty() {
            diagnosis.verdict = Verdict::Ok;
        }
    }
    diagnosis.text = sentence(&diagnosis, &verification.secrets);
    diagnosis
}

fn sentence(diagnosis: &Diagnosis, secrets: &[SigningSecret]) -> String {
    match (diagnosis.verdict, diagnosis.secret) {
        (Verdict::Ok, Some(number)) => {
            let signed = number.checked_sub(1).and_then(|index| secrets.get(index));
            let raw = match signed.is_some_and(|secret| secret.is_raw(diagnosis.preset)) {
                true => ", its text is the key: it is not base64",
                false => "",
            };
            format!("ok (secret {number} of {}{raw})", diagnosis.secrets)
        }
        _ => diagnosis
            .findings
            .first()
            .map_or_else(String::new, |finding| finding.text.clone()),
    }
}

fn old_secret(index: usize, count: usize) -> Finding {
    finding(
        FindingKind::OldSecret,
        format!(
            "an old secret matched ({} of {count}): the sender still signs with it",
            index + 1
        ),
    )
}

pub(super) fn finding(kind: FindingKind, text: impl Into<String>) -> Finding {
    Finding {
        kind,
        text: text.into(),
    }
}

/// What may stand before the body in the signed content.
struct Content {
    prefix: Vec<u8>,
    difference: Option<Finding>,
}

fn contents(
    verification: &Verification,
    claims: &Claims,
    head: &Head,
    body: &[u8],
) -> Vec<Content> {
    if verification.preset != Preset::Twilio {
        return variants::prefixes(verification.preset, claims)
            .into_iter()
            .map(|(text, prefix)| Content {
                prefix,
                difference: text.map(|text| finding(FindingKind::Content, text)),
            })
            .collect();
    }
    let parameters = twilio::parameters(head, body);
    twilio::urls(head, verification.public_url.as_deref())
        .into_iter()
        .map(|signed| Content {
            difference: signed.difference.map(|difference| {
                let url = String::from_utf8_lossy(&signed.url);
                finding(
                    FindingKind::Url,
                    format!("the sender signed the URL {url} ({difference}); behind a tunnel, give its URL with --public-url"),
                )
            }),
            prefix: [signed.url, parameters.clone()].concat(),
        })
        .collect()
}

/// A key to try, and what its match would say.
struct Key {
    bytes: Vec<u8>,
    secret: Option<usize>,
    difference: Option<Finding>,
}

fn keys(verification: &Verification, others: &[(String, SigningSecret)]) -> Vec<Key> {
    let preset = verification.preset;
    let mut keys = Vec::new();
    for (index, secret) in verification.secrets.iter().enumerate() {
        keys.push(Key {
            bytes: secret.key(preset),
            secret: Some(index + 1),
            difference: None,
        });
    }
    let old = verification.old_secrets.len();
    for (index, secret) in verification.old_secrets.iter().enumerate() {
        keys.push(Key {
            bytes: secret.key(preset),
            secret: None,
            difference: Some(old_secret(index, old)),
        });
    }
    for (scope, secret) in others {
        keys.push(Key {
            bytes: secret.key(preset),
            secret: None,
            difference: Some(finding(
                FindingKind::OtherSecret,
                format!("another secret matches: the one of scope {scope}"),
            )),
        });
    }
    for (index, secret) in verification.secrets.iter().enumerate() {
        for (text, bytes) in secret.mistaken_keys(preset) {
            keys.push(Key {
                bytes,
                secret: None,
                difference: Some(finding(
                    FindingKind::Key,
                    format!(
                        "secret {} matches, but the sender derives its key another way: {text}",
                        index + 1
                    ),
                )),
            });
        }
    }
    keys
}

/// A signature's bytes, and the encoding they were read from.
struct Candidate {
    bytes: Vec<u8>,
    encoding: Encoding,
}

fn decoded(signatures: &[String]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for signature in signatures {
        if let Ok(bytes) = hex::decode(signature) {
            candidates.push(Candidate {
                bytes,
                encoding: Encoding::Hex,
            });
        }
        if let Ok(bytes) = LENIENT.decode(signature) {
            candidates.push(Candidate {
                bytes,
                encoding: Encoding::Base64,
            });
        }
    }
    candidates
}

struct Search<'a> {
    preset: Preset,
    signatures: Vec<Candidate>,
    contents: Vec<Content>,
    body: &'a [u8],
}

struct Found {
    secret: Option<usize>,
    findings: Vec<Finding>,
    content: Option<Vec<u8>>,
}

impl Search<'_> {
    /// Tries what is likely first; the first match is the explanation.
    fn run(&self, keys: &[Key]) -> Option<Found> {
        let all = |_: &&Content| true;
        let right = |content: &&Content| content.difference.is_none();
        if let Some(found) = self.over(keys, &[], right) {
            return Some(found);
        }
        if let Some(found) = self.over(keys, &[], all) {
            return Some(found);
        }
        if self.body.is_empty() || self.body.len() > VARIANTS_BODY_BYTES {
            return None;
        }
        let bodies = variants::bodies(self.body);
        let accepted = keys.iter().take_while(|key| key.secret.is_some()).count();
        if self.body.len() > PAIRS_BODY_BYTES {
            return self.over(&keys[..accepted], &bodies, right);
        }
        if let Some(found) = self.over(keys, &bodies, all) {
            return Some(found);
        }
        // Two changes of the body leave no room for another key or content.
        let pairs = variants::pairs(self.body, &bodies);
        self.over(&keys[..accepted], &pairs, right)
    }

    /// With no bodies, the body as it came is tried.
    fn over(
        &self,
        keys: &[Key],
        bodies: &[BodyVariant],
        wanted: impl Fn(&&Content) -> bool,
    ) -> Option<Found> {
        for content in self.contents.iter().filter(wanted) {
            for key in keys {
                if bodies.is_empty() {
                    if let Some(encoding) = self.matches(key, content, self.body) {
                        return Some(self.found(key, content, None, encoding));
                    }
                    continue;
                }
                for variant in bodies {
                    if let Some(encoding) = self.matches(key, content, &variant.body) {
                        return Some(self.found(key, content, Some(variant), encoding));
                    }
                }
            }
        }
        None
    }

    fn matches(&self, key: &Key, content: &Content, body: &[u8]) -> Option<Encoding> {
        let mac = self.preset.mac(&key.bytes, &[&content.prefix, body]);
        self.signatures
            .iter()
            .find(|candidate| candidate.bytes.ct_eq(&mac).into())
            .map(|candidate| candidate.encoding)
    }

    fn found(
        &self,
        key: &Key,
        content: &Content,
        variant: Option<&BodyVariant>,
        encoding: Encoding,
    ) -> Found {
        let mut findings: Vec<Finding> = Vec::new();
        if let Some(variant) = variant {
            findings.push(finding(
                variant.kind,
                format!(
                    "the signature matches the body only {}: the sender signed another text than it sent, or something between rewrote the body",
                    variant.text
                ),
            ));
        }
        findings.extend(content.difference.clone());
        findings.extend(key.difference.clone());
        let due = self.preset.encoding();
        if encoding != due {
            findings.push(finding(
                FindingKind::Encoding,
                format!("the signature is right but written in {encoding}; {due} is due"),
            ));
        }
        Found {
            secret: key.secret,
            findings,
            content: Some(content.prefix.clone()),
        }
    }
}

fn unknown(search: &Search<'_>, verification: &Verification) -> String {
    let due = if search.preset == Preset::Twilio {
        20
    } else {
        32
    };
    if search.signatures.iter().all(|s| s.bytes.len() != due) {
        return format!(
            "the signature is not {due} bytes in {}: it was made with another digest, or cut",
            search.preset.encoding()
        );
    }
    let tried = match verification.secrets.len() + verification.old_secrets.len() {
        1 => "the secret does not explain".to_owned(),
        tried => format!("none of {tried} secrets explains"),
    };
    format!(
        "{tried} the signature, with no known change of the body: the secret is another one, or the body was changed"
    )
}
