//! What Twilio signs: the URL that it called, and the parameters of a form.

use std::borrow::Cow;

use serve::wire::Head;
use sha2::{Digest, Sha256};
use webhooks_core::scheme::{self, BODY_HASH, body_hash};

use super::{Finding, FindingKind};

/// A URL that the sender may have signed, and how it differs from the one it should have signed.
pub(super) struct SignedUrl {
    pub(super) url: Vec<u8>,
    pub(super) difference: Option<String>,
}

/// The expected URL first, then the usual mistakes.
pub(super) fn urls(head: &Head, public_url: Option<&str>) -> Vec<SignedUrl> {
    let forwarded_host = head.text("x-forwarded-host");
    let host = forwarded_host
        .or_else(|| head.text("host"))
        .unwrap_or("localhost");
    let scheme = head.text("x-forwarded-proto").unwrap_or("http");
    let (scheme, host, base) = public_url
        .and_then(|url| {
            let (scheme, rest) = url.split_once("://")?;
            let (host, base) = rest.split_once('/').unwrap_or((rest, ""));
            Some((scheme, host, base))
        })
        .unwrap_or((scheme, host, ""));
    let mut path = Vec::new();
    if !base.trim_matches('/').is_empty() {
        path.push(b'/');
        path.extend_from_slice(base.trim_matches('/').as_bytes());
    }
    path.extend_from_slice(head.origin_form());

    let bare = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let (name, port) = bare.map_or((host, None), |(name, port)| (name, Some(port)));
    let mut urls = Vec::new();
    for (this_scheme, scheme_note) in [
        (scheme, None),
        (
            other(scheme),
            Some(format!("{}:// instead of {scheme}://", other(scheme))),
        ),
    ] {
        let default_port = if this_scheme == "https" { "443" } else { "80" };
        let hosts: Vec<(String, Option<String>)> = match port {
            Some(port) => vec![
                (host.to_owned(), None),
                (name.to_owned(), Some(format!("no port instead of :{port}"))),
            ],
            None => vec![
                (name.to_owned(), None),
                // Twilio's own libraries accept the default port with and without its number.
                (format!("{name}:{default_port}"), None),
            ],
        };
        for (this_host, host_note) in hosts {
            for (this_path, path_note) in paths(&path) {
                let mut url = format!("{this_scheme}://{this_host}").into_bytes();
                url.extend_from_slice(&this_path);
                let notes: Vec<String> = [scheme_note.clone(), host_note.clone(), path_note]
                    .into_iter()
                    .flatten()
                    .collect();
                urls.push(SignedUrl {
                    url,
                    difference: (!notes.is_empty()).then(|| notes.join(", ")),
                });
            }
        }
    }
    urls
}

fn paths(path: &[u8]) -> Vec<(Cow<'_, [u8]>, Option<String>)> {
    let mut paths = vec![(Cow::Borrowed(path), None)];
    if let Some(query) = path.iter().position(|b| *b == b'?') {
        paths.push((
            Cow::Borrowed(&path[..query]),
            Some("without the query".into()),
        ));
    } else if path.len() > 1 && path.ends_with(b"/") {
        paths.push((
            Cow::Borrowed(&path[..path.len() - 1]),
            Some("without the slash at the end".into()),
        ));
    } else if path != b"/" {
        paths.push((
            Cow::Owned([path, b"/"].concat()),
            Some("with a slash at the end".into()),
        ));
    }
    paths
}

fn other(scheme: &str) -> &'static str {
    if scheme == "https" { "http" } else { "https" }
}

/// The signed part of a form, concatenated as Twilio does it.
pub(super) fn parameters(head: &Head, body: &[u8]) -> Vec<u8> {
    if !is_form(head) || given_hash(head).is_some() {
        return Vec::new();
    }
    let mut pairs: Vec<_> = form_urlencoded::parse(body).collect();
    pairs.sort();
    pairs.dedup();
    let glued = pairs
        .iter()
        .flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]);
    glued.flatten().copied().collect()
}

/// The target with the `bodySHA256` of its query, if it has one, replaced by that of this body;
/// every other byte stays.
pub(crate) fn with_body_hash(target: &[u8], body: &[u8]) -> Vec<u8> {
    let Some(query) = target.iter().position(|byte| *byte == b'?') else {
        return target.to_vec();
    };
    let hash = hex::encode(Sha256::digest(body));
    let mut hashed = target[..=query].to_vec();
    for (index, pair) in target[query + 1..].split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            hashed.push(b'&');
        }
        let is_hash = form_urlencoded::parse(pair).any(|(name, _)| name == BODY_HASH);
        match pair.iter().position(|byte| *byte == b'=') {
            Some(equals) if is_hash => {
                hashed.extend_from_slice(&pair[..=equals]);
                hashed.extend_from_slice(hash.as_bytes());
            }
            _ => hashed.extend_from_slice(pair),
        }
    }
    hashed
}

/// Why the signature does not cover the body: the `bodySHA256` of the query belongs to another
/// body, or the body is neither a form, whose parameters are signed, nor hashed in the query.
pub(super) fn uncovered_body(head: &Head, body: &[u8]) -> Option<Finding> {
    let Some(given) = given_hash(head) else {
        return (!body.is_empty() && !is_form(head)).then(|| Finding {
            kind: FindingKind::Body,
            text: "nothing signs the body: it is not a form, and the URL has no bodySHA256".into(),
        });
    };
    let actual = hex::encode(Sha256::digest(body));
    (!given.eq_ignore_ascii_case(&actual)).then(|| Finding {
        kind: FindingKind::Body,
        text: format!("bodySHA256 in the URL is {given}, but the body's hash is {actual}: the body was changed on its way"),
    })
}

/// Whether the body is a form, according to its only media type.
fn is_form(head: &Head) -> bool {
    head.all("content-type").count() == 1 && head.text("content-type").is_some_and(scheme::is_form)
}

/// The `bodySHA256` of the query.
fn given_hash(head: &Head) -> Option<String> {
    body_hash(&String::from_utf8_lossy(head.target()))
}
