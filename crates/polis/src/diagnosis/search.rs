//! The search for the secret, key, content and body that explain a signature.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use jiff::Timestamp;
use serve::wire::Head;
use subtle::ConstantTimeEq;
use webhooks_core::scheme::{Encoding, Part, judge_time};

use super::{
    Diagnosis, Finding, FindingKind, Preset, SigningSecret, TOLERANCE, Verdict, Verification,
    arrived::Arrived,
    claims::Claims,
    secret::LENIENT,
    time, twilio,
    variants::{self, BodyVariant},
};

/// Beyond this size, only one deviation at a time is tried: the search must stay short.
const PAIRS_BODY_BYTES: usize = 16 * 1024;
/// Beyond this size, other bodies are not tried at all: the sender is waiting for its answer.
const VARIANTS_BODY_BYTES: usize = 256 * 1024;

/// Judges the signature of one request as a verifier does, and explains a refusal. `others` are
/// the secrets of other scopes, with the scopes' names.
pub fn diagnose(
    verification: &Verification,
    others: &[(String, SigningSecret)],
    head: &Head,
    body: &[u8],
    now: Timestamp,
) -> Diagnosis {
    let preset = verification.preset;
    let claims = Claims::read(preset, head, body);
    let contents = contents(verification, &claims, head, body);
    let body_is_signed = preset.scheme().signs(Part::Body);
    let right = contents.first().map(|content| content.prefix.clone());
    let mut diagnosis = Diagnosis {
        preset,
        verdict: Verdict::Failed,
        text: String::new(),
        findings: Vec::new(),
        secret: None,
        secrets: verification.secrets.len(),
        timestamp_age_s: None,
        signed_prefix: String::new(),
        body_is_signed,
    }
    .with_content(&right.unwrap_or_default(), body_is_signed);

    let arrived = Arrived::new(verification, head, body);
    match arrived.verify(&verification.secrets) {
        Ok(signed) => {
            diagnosis.secret = Some(signed.key_index + 1);
            if let Some(url) = signed.url {
                // Of several spellings, show the one that matched.
                let content = [url.as_bytes(), &twilio::parameters(head, body)].concat();
                diagnosis = diagnosis.with_content(&content, false);
            }
            time::judge(&claims, preset, now, &mut diagnosis);
            match signed
                .timestamp_s
                .map(|at| judge_time(at, system_time(now), TOLERANCE))
            {
                None | Some(Ok(_)) => {
                    diagnosis.verdict = Verdict::Ok;
                    diagnosis.findings.clear();
                }
                Some(Err(error)) if diagnosis.findings.is_empty() => {
                    diagnosis
                        .findings
                        .push(Finding::new(FindingKind::Timestamp, error.to_string()));
                }
                Some(Err(_)) => {}
            }
        }
        Err(error) => {
            diagnosis.findings.clone_from(&claims.findings);
            explain(
                &mut diagnosis,
                &claims,
                contents,
                (verification, others),
                &arrived,
            );
            if diagnosis.verdict != Verdict::Missing {
                time::judge(&claims, preset, now, &mut diagnosis);
                let uncovered = twilio::uncovered_body(head, body);
                let uncovered = uncovered.filter(|_| !body_is_signed && preset == Preset::Twilio);
                diagnosis.findings.splice(0..0, uncovered);
            }
            if diagnosis.findings.is_empty() {
                // A tolerant reader finds nothing wrong, but a verifier refuses it.
                diagnosis
                    .findings
                    .push(Finding::new(FindingKind::Header, error.to_string()));
            }
        }
    }
    diagnosis.text = sentence(&diagnosis, &verification.secrets);
    diagnosis
}

/// The body that the sender signed instead of the one that came, if a known change explains it.
pub(crate) fn signed_body(
    verification: &Verification,
    head: &Head,
    body: &[u8],
) -> Option<Vec<u8>> {
    let preset = verification.preset;
    let claims = Claims::read(preset, head, body);
    let search = Search {
        preset,
        signatures: decoded(preset, &claims.signatures),
        contents: contents(verification, &claims, head, body),
        body: if preset.scheme().signs(Part::Body) {
            body
        } else {
            b""
        },
    };
    search.run(&keys(verification, &[]))?.body
}

fn system_time(now: Timestamp) -> SystemTime {
    // A time before 1970 means that the clock was never set.
    UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0))
}

/// Adds why a signature that was refused is wrong.
fn explain(
    diagnosis: &mut Diagnosis,
    claims: &Claims,
    contents: Vec<Content>,
    (verification, others): (&Verification, &[(String, SigningSecret)]),
    arrived: &Arrived<'_>,
) {
    let preset = verification.preset;
    let found = if claims.signatures.is_empty() && claims.asymmetric.is_empty() {
        diagnosis.verdict = Verdict::Missing;
        if diagnosis.findings.is_empty() {
            let name = preset.scheme().signature_header();
            diagnosis.findings.push(Finding::new(
                FindingKind::Header,
                format!("there is no {name} header"),
            ));
        }
        return;
    } else if let Ok(signed) = arrived.verify(&verification.old_secrets) {
        old_secret(signed.key_index, verification.old_secrets.len())
    } else if let Some((scope, _)) = others
        .iter()
        .find(|(_, secret)| arrived.verify(std::slice::from_ref(secret)).is_ok())
    {
        other_secret(scope)
    } else if claims.signatures.is_empty() {
        Finding::new(
            FindingKind::Unknown,
            "no accepted public key verifies the ed25519 signature: the key is wrong, or the body was changed",
        )
    } else {
        let search = Search {
            preset,
            signatures: decoded(preset, &claims.signatures),
            contents,
            body: if diagnosis.body_is_signed {
                arrived.body
            } else {
                b""
            },
        };
        match search.run(&keys(verification, others)) {
            Some(found) => {
                diagnosis.secret = found.secret;
                diagnosis.findings.splice(0..0, found.findings);
                return;
            }
            None => Finding::new(FindingKind::Unknown, unknown(&search, verification)),
        }
    };
    diagnosis.findings.insert(0, found);
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
    Finding::new(
        FindingKind::OldSecret,
        format!(
            "an old secret matched ({} of {count}): the sender still signs with it",
            index + 1
        ),
    )
}

fn other_secret(scope: &str) -> Finding {
    Finding::new(
        FindingKind::OtherSecret,
        format!("another scope's secret matches: that of scope {scope}"),
    )
}

/// What may come before the body in the signed content.
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
    if !verification.preset.scheme().signs(Part::Url) {
        return variants::prefixes(verification.preset, claims)
            .into_iter()
            .map(|(text, prefix)| Content {
                prefix,
                difference: text.map(|text| Finding::new(FindingKind::Content, text)),
            })
            .collect();
    }
    let parameters = twilio::parameters(head, body);
    twilio::urls(head, verification.public_url.as_deref())
        .into_iter()
        .map(|signed| Content {
            difference: signed.difference.map(|difference| {
                let url = String::from_utf8_lossy(&signed.url);
                Finding::new(
                    FindingKind::Url,
                    format!("the sender signed the URL {url} ({difference}); behind a tunnel, give its URL with --public-url"),
                )
            }),
            prefix: [signed.url, parameters.clone()].concat(),
        })
        .collect()
}

/// A key to try, and what a match with it means.
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
            difference: Some(other_secret(scope)),
        });
    }
    for (index, secret) in verification.secrets.iter().enumerate() {
        for (text, bytes) in secret.mistaken_keys(preset) {
            keys.push(Key {
                bytes,
                secret: None,
                difference: Some(Finding::new(
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

/// A signature's bytes, and the encoding from which they were read.
struct Candidate {
    bytes: Vec<u8>,
    encoding: Encoding,
}

fn decoded(preset: Preset, signatures: &[String]) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    if preset.scheme().encoding == Encoding::Text {
        candidates.extend(signatures.iter().map(|token| Candidate {
            bytes: token.as_bytes().to_vec(),
            encoding: Encoding::Text,
        }));
        return candidates;
    }
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
    /// The body that was signed instead of the one that came.
    body: Option<Vec<u8>>,
    secret: Option<usize>,
    findings: Vec<Finding>,
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
        let algorithm = self.preset.scheme().algorithm;
        let mac = algorithm.mac(&key.bytes, &[&content.prefix, body])?;
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
            findings.push(Finding::new(
                variant.kind,
                format!(
                    "the signature matches the body only {}: the sender signed a different text from the one it sent, or something in between rewrote the body",
                    variant.text
                ),
            ));
        }
        findings.extend(content.difference.clone());
        findings.extend(key.difference.clone());
        let expected = self.preset.scheme().encoding;
        if encoding != expected {
            findings.push(Finding::new(
                FindingKind::Encoding,
                format!("the signature is right but written in {encoding}; expected {expected}"),
            ));
        }
        Found {
            body: variant.map(|variant| variant.body.clone()),
            secret: key.secret,
            findings,
        }
    }
}

fn unknown(search: &Search<'_>, verification: &Verification) -> String {
    let scheme = search.preset.scheme();
    let Some(bytes) = scheme.signature_bytes() else {
        return "the token is not accepted".to_owned();
    };
    if search.signatures.iter().all(|s| s.bytes.len() != bytes) {
        return format!(
            "the signature is not {bytes} bytes in {}: it was made with another digest, or cut",
            scheme.encoding
        );
    }
    let tried = match verification.secrets.len() + verification.old_secrets.len() {
        1 => "the secret does not explain".to_owned(),
        tried => format!("none of {tried} secrets explains"),
    };
    format!(
        "{tried} the signature, with no known change of the body: the secret is wrong, or the body was changed"
    )
}
