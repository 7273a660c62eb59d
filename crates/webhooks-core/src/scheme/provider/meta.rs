//! Meta (Facebook, Instagram, WhatsApp): `X-Hub-Signature-256` over the body alone, with the app's secret. Meta
//! checks a new URL with a GET that is not signed: [`challenge`].

use super::super::algorithm::{Algorithm, Encoding, SecretForm};
use super::super::challenge::Challenge;
use super::super::format::{Form, Names, Part, Scheme};
use crate::secret::SharedSecret;
use subtle::ConstantTimeEq;

/// Meta says that its bodies are up to 3 MB.
const BODY_LIMIT_BYTES: usize = 3 * 1024 * 1024;

pub(super) const SCHEME: Scheme = Scheme {
    title: "Meta",
    names: &[Names::only("X-Hub-Signature-256")],
    form: Form::Prefixed("sha256="),
    encoding: Encoding::Hex,
    algorithm: Algorithm::HmacSha256,
    content: &[Part::Body],
    secret: SecretForm::Text,
    malformed: "it is not `sha256=` and 64 hexadecimal digits",
    body_time_ms: None,
    payload_field: None,
    body_limit_bytes: BODY_LIMIT_BYTES,
    challenge: None,
};

/// Answers the GET with which Meta asks whether a new URL is ours, if its `hub.verify_token` is the one that was
/// entered at Meta; `None` for any other query.
///
/// ```
/// use webhooks_core::scheme::meta_challenge;
///
/// let token = "meatyhamhock".parse()?;
/// let query = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock";
/// assert_eq!(meta_challenge(&token, query).unwrap().body, "1158201444");
/// assert_eq!(meta_challenge(&token, &query.replace("meaty", "")), None);
/// # Ok::<(), webhooks_core::SecretError>(())
/// ```
#[must_use]
pub fn challenge(verify_token: &SharedSecret, query: &str) -> Option<Challenge> {
    let field = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let is_ours: bool = field("hub.verify_token")?
        .as_bytes()
        .ct_eq(verify_token.bytes())
        .into();
    let asked = field("hub.mode").is_some_and(|mode| mode == "subscribe") && is_ours;
    Some(Challenge::text(field("hub.challenge")?)).filter(|_| asked)
}
