//! Fetches JSON, for the actions after it, from a URL that contains values of the event.
//!
//! Whoever sends events must not reach what only this machine can: every address is checked when it
//! is dialled, by the rules that the engine has for its endpoints.

use std::{collections::HashMap, fmt, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use minijinja::Value;
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Url;
use webhooks_core::AddressPolicy;

use super::{
    attempt::{Attempt, Outcome},
    call::headers,
    keys::{Keys, is_identifier},
    request,
};
use crate::{
    ledger::Done,
    template::{Escape, RenderError, Template},
    values,
};

/// It travels with each later action's event, as part of it.
const FETCHED_BYTES_MAX: usize = 64 * 1024;
/// The maximum number of cached responses; when it is reached, all are dropped, which costs some
/// requests.
const CACHED_MAX: usize = 256;
const CACHE_DEFAULT: Duration = Duration::from_secs(60);

/// Connects only to addresses that the policy allows.
#[derive(Debug)]
pub(crate) struct Guarded {
    client: reqwest::Client,
    policy: AddressPolicy,
}

impl Guarded {
    pub(super) fn new(policy: AddressPolicy) -> Result<Self, reqwest::Error> {
        let resolver = Arc::new(GuardedNames(policy.clone()));
        let client = request::builder().dns_resolver(resolver).build()?;
        Ok(Self { client, policy })
    }
}

struct GuardedNames(AddressPolicy);

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut allowed: Vec<SocketAddr> = Vec::new();
            let mut refusal = None;
            for address in found {
                match policy.judge_ip(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refusal = Some(error.for_operators().to_string()),
                }
            }
            match refusal.filter(|_| allowed.is_empty()) {
                Some(refusal) => Err(refusal.into()),
                None => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

/// What is fetched, and the name that it gets.
#[derive(Debug)]
pub(crate) struct Fetch {
    url: Template,
    name: String,
    headers: HeaderMap,
    cache: Duration,
    cached: Mutex<HashMap<Url, (Timestamp, serde_json::Value)>>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Get {
    url: Url,
    headers: HeaderMap,
}

impl Fetch {
    pub(super) fn read(keys: &Keys<'_>) -> Option<Self> {
        let section = keys.section;
        let url = section.required("url").and_then(|url| {
            let begins = |scheme| url.text.starts_with(scheme);
            if !begins("https://") && !begins("http://") {
                section.fault(
                    &url.span,
                    "url is not an address that begins with https:// or http://",
                );
            }
            keys.checked_template(&url, Escape::Url)
        });
        let name = section.required("as").and_then(|name| {
            let text = &name.text;
            if !is_identifier(text) {
                section.fault(
                    &name.span,
                    format_args!("as \"{text}\" is invalid: use letters, digits and _"),
                );
            } else if values::NAMES.contains(&text.as_str()) {
                section.fault(
                    &name.span,
                    format_args!("as \"{text}\" is a name that every event has; use another"),
                );
            } else {
                return Some(name.text);
            }
            None
        });
        let cache = section
            .durations("cache")
            .and_then(|times| times.first().copied());
        let headers = headers(section);
        Some(Self {
            url: url?,
            name: name?,
            headers,
            cache: cache.unwrap_or(CACHE_DEFAULT),
            cached: Mutex::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn prepare(&self, values: &Value) -> Result<Get, RenderError> {
        let text = self.url.render(values)?;
        let url = Url::parse(&text)
            .map_err(|error| RenderError::new(format!("{text} is not a URL: {error}")))?;
        Ok(Get {
            url,
            headers: self.headers.clone(),
        })
    }

    pub(super) async fn perform(&self, get: Get, attempt: &Attempt, guarded: &Guarded) -> Outcome {
        let Get { url, headers } = get;
        if let Some(kept) = self.kept(&url, attempt.now) {
            return fetched(kept, "from the cache");
        }
        if let Err(refusal) = guarded.policy.judge(&url) {
            return Outcome::Refused {
                reason: format!("not fetched: {}", refusal.for_operators()),
            };
        }
        let asked = guarded
            .client
            .get(url.clone())
            .headers(headers)
            .header(header::ACCEPT, "application/json");
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = match request::answer(asked).await {
            Ok(answer) => answer,
            // Fetching twice does no harm: there is no doubt.
            Err(error) => {
                return Outcome::failed(format!(
                    "could not fetch from {host}: {}",
                    request::cause(&error)
                ));
            }
        };
        match answer.judge(&host) {
            Outcome::Done(_) => {}
            Outcome::Failed { reason, .. } if answer.status == StatusCode::NOT_FOUND => {
                return Outcome::Refused { reason };
            }
            Outcome::Failed {
                reason,
                retry_after,
                ..
            } => {
                return Outcome::Failed {
                    reason,
                    retry_after,
                    in_doubt: false,
                };
            }
            refused => return refused,
        }
        let body = answer.body.filter(|body| body.len() <= FETCHED_BYTES_MAX);
        let Some(body) = body else {
            return Outcome::Refused {
                reason: format!("{host} answered with more than {FETCHED_BYTES_MAX} bytes"),
            };
        };
        match serde_json::from_slice::<serde_json::Value>(&body) {
            Ok(value) => {
                self.keep(url, attempt.now, value.clone());
                fetched(value, &format!("from {host}"))
            }
            Err(error) => Outcome::failed(format!("{host} did not answer with JSON: {error}")),
        }
    }

    fn kept(&self, url: &Url, now: Timestamp) -> Option<serde_json::Value> {
        let cached = self.cached.lock();
        let (at, value) = cached.get(url)?;
        let age = Duration::try_from(now.duration_since(*at)).ok()?;
        (age < self.cache).then(|| value.clone())
    }

    fn keep(&self, url: Url, now: Timestamp, value: serde_json::Value) {
        if self.cache.is_zero() {
            return;
        }
        let mut cached = self.cached.lock();
        if cached.len() >= CACHED_MAX {
            cached.clear();
        }
        cached.insert(url, (now, value));
    }
}

fn fetched(value: serde_json::Value, from: &str) -> Outcome {
    Outcome::Done(Done {
        note: format!("fetched {from}"),
        added: Some(value),
        reference: None,
    })
}

impl fmt::Display for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}", self.url)?;
        for name in self.headers.keys() {
            write!(f, "\n{name}: …")?;
        }
        Ok(())
    }
}
