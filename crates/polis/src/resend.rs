//! Prepares a captured request for sending again: with changed values, and signed again.
//!
//! It does not decide where replays may go; the API and the command line do.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serve::wire::{is_framing, is_hop_by_hop};

use crate::{
    destination::Destination,
    diagnosis::{Preset, SignError, SigningSecret, ToSign, preset_of, sign, with_body_hash},
    edit::{self, Edits},
    outbound::Outgoing,
    record::Record,
    scope::Scope,
};

/// Signs what is sent again.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) preset: Preset,
    pub(crate) secret: SigningSecret,
}

impl Signer {
    /// The first secret of a scope that can sign: a public key only verifies.
    pub(crate) fn of(scope: &Scope) -> Option<Self> {
        let settings = scope.settings();
        let verification = settings.verification.as_ref()?;
        let mut secrets = verification.secrets.iter();
        let secret = secrets.find(|secret| !secret.expose().starts_with("whpk_"))?;
        Some(Self {
            preset: verification.preset,
            secret: secret.clone(),
        })
    }
}

/// The preset whose signature is for the body before this change, if the request carries one.
pub(crate) fn broken_signature(record: &Record, set: &Edits) -> Option<Preset> {
    let changes_body = set
        .keys()
        .any(|place| place == "body" || place.starts_with("body."));
    let carried = record.head.as_ref().and_then(preset_of);
    carried.filter(|_| changes_body)
}

/// Refuses a request that cannot be sent again.
///
/// # Errors
/// A sentence that says why.
pub(crate) fn check(record: &Record) -> Result<(), String> {
    let id = record.id;
    if record.head.is_none() {
        return Err(format!(
            "request #{id} could not be read, so it cannot be sent again"
        ));
    }
    if record.body_cut {
        return Err(format!(
            "the body of request #{id} was cut, so it cannot be sent again"
        ));
    }
    Ok(())
}

/// The request to send: with the path and query of `to` if it has any, else those of the record
/// without the prefix of its scope. `set` has the changes to make first, with the names `body`
/// (all of it; a string is used as it is), `body.data`, `body.items.0.name` or `header.X-Name`
/// (null removes a header). What is not set keeps its bytes.
///
/// # Errors
/// A sentence for everything that is wrong.
pub(crate) fn outgoing(
    record: &Record,
    set: &Edits,
    to: &Destination,
    signer: Option<&Signer>,
) -> Result<Outgoing, Vec<String>> {
    let mut target = match to.target() {
        Some(target) => target.as_bytes().to_vec(),
        None => record.app_target(),
    };
    let authority = to.authority().as_bytes().to_vec();
    let mut headers = vec![("Host".to_owned(), authority)];
    headers.extend(
        record
            .headers()
            .filter(|(name, _)| {
                !is_hop_by_hop(name)
                    && !["host", "content-length", "expect"]
                        .iter()
                        .any(|own| name.eq_ignore_ascii_case(own))
            })
            .map(|(name, value)| (name.to_owned(), value.to_vec())),
    );
    let mut body = record.body.clone();
    let mut faults = Vec::new();
    // In order of their names: the whole body first, then each value before what is inside it.
    for (name, value) in set {
        let done = if let Some(header) = name.strip_prefix("header.") {
            set_header(&mut headers, header, value)
        } else if name == "body" {
            body = Bytes::from(edit::text(value));
            Ok(())
        } else if let Some(place) = name.strip_prefix("body.") {
            set_value(record, &mut body, place, value).map_err(|fault| format!("{name}: {fault}"))
        } else {
            Err(format!("{name} is neither body, body.… nor header.…"))
        };
        faults.extend(done.err());
    }
    if let Some(signer) = signer {
        let signed = resign(record, signer, to, (&mut target, &mut headers), &body);
        faults.extend(signed.err().map(|error| error.to_string()));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Outgoing {
        method: record.method().to_owned(),
        target,
        headers,
        body,
    })
}

fn set_header(
    headers: &mut Vec<(String, Vec<u8>)>,
    name: &str,
    value: &RawValue,
) -> Result<(), String> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(format!("header.{name} is not a header name"));
    }
    if is_framing(name) {
        return Err(format!("header.{name} is set by polis, from the body"));
    }
    headers.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    if value.get() == "null" {
        return Ok(());
    }
    let text = edit::text(value);
    if http::HeaderValue::from_str(&text).is_err() {
        return Err(format!(
            "header.{name}: the value has characters that are not allowed in a header"
        ));
    }
    headers.push((name.to_owned(), text.into_bytes()));
    Ok(())
}

fn set_value(
    record: &Record,
    body: &mut Bytes,
    place: &str,
    value: &RawValue,
) -> Result<(), String> {
    let id = record.id;
    let head = record
        .head
        .as_ref()
        .ok_or_else(|| format!("request #{id} could not be read"))?;
    let edited = edit::edited(head, body, place, value).map_err(|error| error.to_string())?;
    *body = Bytes::from(edited);
    Ok(())
}

fn resign(
    record: &Record,
    signer: &Signer,
    to: &Destination,
    (target, headers): (&mut Vec<u8>, &mut Vec<(String, Vec<u8>)>),
    body: &[u8],
) -> Result<(), SignError> {
    let (host, written) = to.split_text();
    let mut signed_target = match written {
        "" => target.clone(),
        written => written.as_bytes().to_vec(),
    };
    if signer.preset == Preset::Twilio {
        // Twilio signs the URL; the body counts only through its hash in it.
        *target = with_body_hash(target, body);
        signed_target = with_body_hash(&signed_target, body);
    }
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let url = format!("{host}{}", String::from_utf8_lossy(&signed_target));
    let id = record.delivery.as_ref().map_or_else(
        || uuid::Uuid::now_v7().to_string(),
        |delivery| delivery.id.clone(),
    );
    let signed = sign(
        signer.preset,
        &signer.secret,
        &ToSign {
            id: &id,
            at: Timestamp::now(),
            url: &url,
            content_type: content_type.as_deref(),
            body,
        },
    )?;
    headers.retain(|(given, _)| {
        let is_new = signed
            .iter()
            .any(|(name, _)| given.eq_ignore_ascii_case(name));
        // Svix's names mean the same, and some receivers give them precedence.
        !is_new && !given.to_ascii_lowercase().starts_with("svix-")
    });
    headers.extend(
        signed
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes())),
    );
    Ok(())
}
