//! Resolves names as the operating system is configured to: from `/etc/hosts`, then with the name servers in
//! `/etc/resolv.conf`, without using a thread per query. Both files are read again when they change. Other sources
//! that a C library can be configured to use (mDNS, LDAP) are not queried.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::RecordType},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::lookup::{LookupError, Resolve, Resolved, Resolving};

/// The time limit for one query to one name server; each query is sent twice.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);
/// How many times one query is sent.
const QUESTIONS: usize = 2;
/// The maximum number of answers that are cached, for as long as they allow, at some hundred bytes each.
const ANSWERS_MAX: u64 = 8_192;
/// The files that configure name lookups, and how often they are checked.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
const FILES_WAIT: Duration = Duration::from_secs(1);
/// How long an answer about one name shows that others can be resolved.
const AVAILABLE_FOR: Duration = Duration::from_secs(1);

/// Looks names up as the operating system is configured to.
pub struct SystemResolver {
    configured: Mutex<Configured>,
    available: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

struct Configured {
    resolver: Option<Arc<TokioResolver>>,
    changed: [Option<SystemTime>; FILES.len()],
    looked_at: Option<Instant>,
}

impl SystemResolver {
    /// Creates a resolver that reads the system's files at the first lookup.
    #[must_use]
    pub fn new() -> Self {
        Self {
            configured: Mutex::new(Configured {
                resolver: None,
                changed: [None; FILES.len()],
                looked_at: None,
            }),
            available: tokio::sync::Mutex::new(None),
        }
    }

    /// The resolver for the current contents of the files.
    fn current(&self) -> Result<Arc<TokioResolver>, LookupError> {
        let mut configured = self.configured.lock();
        let now = Instant::now();
        let is_recent = |at: Instant| now.duration_since(at) < FILES_WAIT;
        let fresh = configured.looked_at.is_some_and(is_recent);
        if let (true, Some(resolver)) = (fresh, &configured.resolver) {
            return Ok(Arc::clone(resolver));
        }
        configured.looked_at = Some(now);
        let changed = FILES.map(|file| std::fs::metadata(file).and_then(|it| it.modified()).ok());
        if let (true, Some(resolver)) = (configured.changed == changed, &configured.resolver) {
            return Ok(Arc::clone(resolver));
        }
        let resolver = build().map_err(|error| {
            LookupError::Unavailable(format!("{} cannot be used: {error}", FILES[0]))
        })?;
        let resolver = Arc::new(resolver);
        configured.changed = changed;
        configured.resolver = Some(Arc::clone(&resolver));
        Ok(resolver)
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

fn build() -> Result<TokioResolver, NetError> {
    // If that file names no name server, the C library asks this machine, too.
    let mut builder = Resolver::builder_tokio().unwrap_or_else(|_| {
        let here = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![here]);
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    });
    let options = builder.options_mut();
    options.timeout = options.timeout.min(QUESTION_LIMIT);
    options.attempts = QUESTIONS;
    options.cache_size = ANSWERS_MAX;
    builder.build()
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        Box::pin(async move {
            match self.current()?.lookup_ip(name).await {
                Ok(answer) => {
                    let keep = answer
                        .valid_until()
                        .saturating_duration_since(Instant::now().into_std());
                    Ok(Resolved::new(answer.iter(), keep))
                }
                Err(error) if is_silence(&error) => Err(LookupError::Unanswered {
                    name: name.to_owned(),
                    reason: error.to_string(),
                }),
                Err(_) => Err(LookupError::NoAddress(name.to_owned())),
            }
        })
    }

    /// Asks for the root name servers, which every resolver knows.
    fn is_available(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            let mut available = self.available.lock().await;
            match *available {
                Some((at, found)) if at.elapsed() < AVAILABLE_FOR => return found,
                _ => {}
            }
            let found = match self.current() {
                Ok(resolver) => match resolver.lookup(".", RecordType::NS).await {
                    Ok(_) => true,
                    Err(error) => !is_silence(&error),
                },
                Err(_) => false,
            };
            *available = Some((Instant::now(), found));
            found
        })
    }
}

/// Whether no responsible server has answered. A forwarder that reaches none says SERVFAIL.
fn is_silence(error: &NetError) -> bool {
    let code = match error {
        // Not a valid name.
        NetError::Proto(_) => return false,
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        _ => return true,
    };
    code == ResponseCode::ServFail
}
