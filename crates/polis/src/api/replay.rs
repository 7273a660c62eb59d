//! Sends a captured request again: to this machine, or to URLs given by flag.

use std::{collections::BTreeMap, net::SocketAddr};

use axum::{
    Json,
    extract::{Path, State},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;
use url::Url;

use super::{error::ApiError, shared::Shared};
use crate::{
    captured::CapturedHeader,
    destination::Destination,
    outbound::{Outgoing, Reach},
    record::Record,
    resend::{self, Signer},
    sent_again::SentAgain,
};

/// How much of the answer's body is reported.
const BODY_BYTES: usize = 64 * 1024;

/// What to send, and where.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Replay {
    /// The destination: a URL, a host and port, or a port. Its path and query are used if it has any
    /// (`http://host/` has one), else those of the request without the prefix of its scope.
    pub(crate) to: String,
    /// What to change first: `body` (all of it; a string is used as it is), `body.data` or
    /// `body.items.0.name` in a JSON body, `body.Name` in a form, or `header.X-Name` (null
    /// removes a header).
    ///
    /// A value inside a body keeps the spelling it has here, and every other byte stays as it
    /// was captured. A dot in a name is written `\.`; if a name repeats, the last one is changed;
    /// if it is missing in an object or a form, it is added at its end.
    pub(crate) set: BTreeMap<String, Box<RawValue>>,
    /// Signs it again with the first secret of its scope that can sign.
    pub(crate) resign: bool,
}

/// The answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replayed {
    pub(crate) url: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<CapturedHeader>,
    pub(crate) body_size: usize,
    pub(crate) body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    pub(crate) after_ms: f64,
}

pub(crate) async fn replay(
    State(shared): State<Shared>,
    Path(id): Path<u64>,
    Json(replay): Json<Replay>,
) -> Result<Json<Replayed>, ApiError> {
    let record = shared.record(id)?;
    let (to, outgoing) = outgoing(&shared, &record, &replay)?;
    let url = &to.url;
    let vouched = (shared.polis.replay_to.iter()).any(|base| is_under(url, base));
    if !vouched && !is_loopback(url) {
        return Err(ApiError::NotAllowed(format!(
            "replays go to this machine only; start polis with --replay-to {} to allow it",
            url.origin().ascii_serialization()
        )));
    }
    if !vouched && url.scheme() == "https" {
        return Err(ApiError::NotAllowed(format!(
            "replays to this machine use http://; start polis with --replay-to {} for https",
            url.origin().ascii_serialization()
        )));
    }
    let begun = Instant::now();
    let reach = match vouched {
        true => Reach::Anywhere,
        false => Reach::Loopback,
    };
    let at = Timestamp::now();
    let sent = shared.polis.outbound.send(url, outgoing, reach).await;
    let sent = sent.map_err(|error| error.to_string());
    shared.polis.sent_again(
        id,
        SentAgain {
            at,
            to: replay.to.clone(),
            outcome: sent
                .as_ref()
                .map(|answer| answer.status)
                .map_err(String::clone),
            is_edited: !replay.set.is_empty(),
            is_resigned: replay.resign,
        },
    );
    let answer = sent.map_err(|error| ApiError::Upstream(format!("{}: {error}", replay.to)))?;
    let shown = &answer.body[..answer.body.len().min(BODY_BYTES)];
    Ok(Json(Replayed {
        url: replay.to.clone(),
        status: answer.status,
        headers: answer
            .headers
            .iter()
            .map(|(name, value)| CapturedHeader {
                name: name.clone(),
                value: String::from_utf8_lossy(value).into_owned(),
                value_base64: None,
            })
            .collect(),
        body_size: answer.body.len(),
        body: String::from_utf8_lossy(shown).into_owned(),
        body_base64: std::str::from_utf8(shown)
            .is_err()
            .then(|| STANDARD.encode(shown)),
        problem: answer.broken.clone(),
        after_ms: (begun.elapsed().as_secs_f64() * 1e6).round() / 1e3,
    }))
}

/// What a replay sends, and where.
pub(super) fn outgoing(
    shared: &Shared,
    record: &Record,
    replay: &Replay,
) -> Result<(Destination, Outgoing), ApiError> {
    resend::check(record).map_err(ApiError::Conflict)?;
    let to: Destination = replay
        .to
        .parse()
        .map_err(|error| ApiError::Invalid(vec![format!("to is {:?}; {error}", replay.to)]))?;
    // A request that is sent back to where it was captured reaches its scope again.
    let to = match shared.polis.capture_address() {
        Some(own) if to.target().is_none() && is_own(&to.url, own) => {
            let origin = to.url.origin().ascii_serialization();
            format!("{origin}{}", record.target()).parse().unwrap_or(to)
        }
        _ => to,
    };
    let signer = replay
        .resign
        .then(|| signer(shared, record))
        .transpose()
        .map_err(|fault| ApiError::Invalid(vec![fault]))?;
    let outgoing =
        resend::outgoing(record, &replay.set, &to, signer.as_ref()).map_err(ApiError::Invalid)?;
    Ok((to, outgoing))
}

fn is_own(url: &Url, own: SocketAddr) -> bool {
    is_loopback(url) && url.port_or_known_default() == Some(own.port())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Same scheme, host and port, and a path below the given one.
fn is_under(url: &Url, base: &Url) -> bool {
    let path = base.path().trim_end_matches('/');
    url.origin() == base.origin()
        && url
            .path()
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Who signs the replay: the first secret of the record's scope that can.
pub(super) fn signer(shared: &Shared, record: &Record) -> Result<Signer, String> {
    let scope = shared.polis.scopes.find(&record.scope);
    scope.and_then(|scope| Signer::of(&scope)).ok_or_else(|| {
        format!(
            "resign: scope {} has no secret; start polis with --verify and POLIS_SECRETS",
            record.scope
        )
    })
}
