//! The names as the operating system is set up to find them: `/etc/hosts`, then the name servers
//! of `/etc/resolv.conf`, asked without a thread a question. Both files are read again when they
//! change. Other sources that a C library can be taught (mDNS, LDAP) are not asked.

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

/// One question to one name server; it is asked twice.
const QUESTION_LIMIT: Duration = Duration::from_secs(2);
/// How often one question is asked.
const QUESTIONS: usize = 2;
/// Answers that are kept for as long as they say, some hundred bytes each.
const ANSWERS_MAX: u64 = 8_192;
/// The files that say how to look up names, and how often they are looked at.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
const FILES_WAIT: Duration = Duration::from_secs(1);
/// For how long an answer about one name shows that others could be had.
const AVAILABLE_FOR: Duration = Duration::from_secs(1);

/// Looks names up as the operating system is set up to.
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
    /// Reads the system's files when the first name is asked for.
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

    /// The resolver as the files say now.
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
    // Without a name server in that file the C library asks this machine, too.
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

    /// Asks for the root's name servers, which every resolver has at hand.
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

/// Whether nobody who knows has answered. A forwarder that reaches nobody says SERVFAIL.
fn is_silence(error: &NetError) -> bool {
    let code = match error {
        // A name that cannot be one.
        NetError::Proto(_) => return false,
        NetError::Dns(DnsError::NoRecordsFound(none)) => none.response_code,
        NetError::Dns(DnsError::ResponseCode(code)) => *code,
        _ => return true,
    };
    code == ResponseCode::ServFail
}
