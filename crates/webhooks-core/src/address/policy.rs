//! The rules for a URL and for an address.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;
use url::{Host, Url};

use super::{
    credentials,
    embedded::embedded,
    ports, ranges,
    refusal::{AddressRefusal, Ipv4Embedding},
};

/// The length that browsers and proxies support; a real endpoint's URL has some hundred bytes.
const MAX_URL_BYTES: usize = 2048;

/// Where webhooks may be sent: by default to http and https URLs on public addresses.
///
/// Cheap to clone.
///
/// ```
/// use webhooks_core::AddressPolicy;
///
/// let policy = AddressPolicy::default();
/// assert!(policy.parse("https://acme.example/hooks").is_ok());
/// let refusal = policy.parse("http://0x7f.1/").unwrap_err();
/// assert_eq!(
///     refusal.to_string(),
///     "127.0.0.1 is not a public address; use a URL on the public internet"
/// );
/// assert_eq!(
///     refusal.for_operators().to_string(),
///     "127.0.0.1, which is loopback (127.0.0.0/8, RFC 1122); \
///      add 127.0.0.0/8 to allow_networks if webhooks may go there"
/// );
/// let policy = policy.allow_networks(["127.0.0.0/8"])?;
/// assert!(policy.parse("http://0x7f.1/").is_ok());
/// # Ok::<(), webhooks_core::NetworkError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    https_only: bool,
    networks: Arc<[IpNet]>,
    ports: Arc<[u16]>,
}

/// Some of the networks to allow could not be parsed; each is named.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("allow_networks: {}", problems.join("; "))]
pub struct NetworkError {
    problems: Vec<String>,
}

crate::error_text::debug_is_display!(NetworkError);

impl AddressPolicy {
    /// Refuses http when `only` is true.
    #[must_use]
    pub fn https_only(mut self, only: bool) -> Self {
        self.https_only = only;
        self
    }

    /// Allows addresses in `networks` too, with any port: `"127.0.0.0/8"`, `"fd00::/8"`, or a
    /// single address.
    ///
    /// An IPv4 address that is embedded in an IPv6 address (NAT64, 6to4 …) is allowed only by its IPv4 network, so
    /// that no tunnel bypasses this list.
    ///
    /// # Errors
    /// [`NetworkError`] names every entry that is not a network.
    pub fn allow_networks<N: AsRef<str>>(
        mut self,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<Self, NetworkError> {
        let mut allowed = self.networks.to_vec();
        let mut problems = Vec::new();
        for network in networks {
            match parse_network(network.as_ref()) {
                Ok(network) => allowed.push(network),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(NetworkError { problems });
        }
        self.networks = allowed.into();
        Ok(self)
    }

    /// Allows `ports` that are refused by default: those below 1024 except 80 and 443, and those of databases,
    /// caches, proxies and the like.
    #[must_use]
    pub fn allow_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = self.ports.iter().copied().chain(ports).collect();
        self
    }

    /// Parses and checks a URL, for when an endpoint is registered.
    ///
    /// Names are not resolved here: what they resolve to may have changed by the first attempt.
    ///
    /// # Errors
    /// [`AddressRefusal`] says which rule refused it and how to allow it; show it to whoever
    /// entered the URL.
    pub fn parse(&self, text: &str) -> Result<Url, AddressRefusal> {
        if text.len() > MAX_URL_BYTES {
            return Err(AddressRefusal::TooLong {
                length: text.len(),
                limit: MAX_URL_BYTES,
            });
        }
        let url = Url::parse(text).map_err(|reason| AddressRefusal::Malformed { reason })?;
        self.judge(&url)?;
        Ok(url)
    }

    /// Checks everything in a URL that can be checked without resolving its name; call it before each attempt. An
    /// address in the URL is checked here and nowhere else, because HTTP clients dial it without asking a
    /// resolver.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn judge(&self, url: &Url) -> Result<(), AddressRefusal> {
        match url.scheme() {
            "https" => {}
            "http" if self.https_only => return Err(AddressRefusal::NotEncrypted),
            "http" => {}
            scheme => {
                return Err(AddressRefusal::Scheme {
                    scheme: scheme.to_owned(),
                });
            }
        }
        credentials::check(url)?;
        let reason = url::ParseError::EmptyHost;
        let host = url.host().ok_or(AddressRefusal::Malformed { reason })?;
        let address_allowed = match &host {
            Host::Ipv4(address) => self.judge_literal((*address).into())?,
            Host::Ipv6(address) => self.judge_literal((*address).into())?,
            Host::Domain(name) if is_localhost(name) => self.judge_localhost(name)?,
            // What it resolves to is checked at the moment of dialling.
            Host::Domain(_) => false,
        };
        let port = url.port_or_known_default().unwrap_or_default();
        match ports::service(port) {
            Some(service) if !address_allowed && !self.ports.contains(&port) => {
                Err(AddressRefusal::Port { port, service })
            }
            _ => Ok(()),
        }
    }

    /// Checks an address that is about to be dialled, and any IPv4 address embedded in it.
    ///
    /// # Errors
    /// [`AddressRefusal::Forbidden`].
    pub fn judge_ip(&self, address: IpAddr) -> Result<(), AddressRefusal> {
        let dialled = address.to_canonical();
        let mapped = (dialled != address).then_some((Ipv4Embedding::Mapped, dialled));
        self.judge_one(address, dialled, mapped)?;
        if let IpAddr::V6(ipv6) = dialled {
            for (how, ipv4) in embedded(ipv6) {
                self.judge_one(address, ipv4.into(), Some((how, ipv4.into())))?;
            }
        }
        Ok(())
    }

    /// Checks `judged`, which is `address` itself or is embedded in it.
    fn judge_one(
        &self,
        address: IpAddr,
        judged: IpAddr,
        embedding: Option<(Ipv4Embedding, IpAddr)>,
    ) -> Result<(), AddressRefusal> {
        if self.allows(judged) {
            return Ok(());
        }
        match ranges::special(judged) {
            Some(range) if !range.passes => Err(AddressRefusal::Forbidden {
                name: None,
                address,
                embedding,
                network: range.network,
                is: range.is,
                source_document: range.source,
            }),
            _ => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether the address is one that was explicitly allowed.
    fn judge_literal(&self, address: IpAddr) -> Result<bool, AddressRefusal> {
        self.judge_ip(address)?;
        Ok(self.allows(address.to_canonical()))
    }

    /// RFC 6761 guarantees that these names resolve to this machine, so there is no need to wait for a resolver.
    fn judge_localhost(&self, name: &str) -> Result<bool, AddressRefusal> {
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        if loopback.into_iter().any(|address| self.allows(address)) {
            return Ok(true);
        }
        self.judge_ip(Ipv4Addr::LOCALHOST.into())
            .map_err(|refusal| refusal.of_name(name))?;
        Ok(false)
    }
}

impl AddressRefusal {
    /// Adds the name that resolves to the forbidden address.
    pub(super) fn of_name(mut self, host: &str) -> Self {
        if let Self::Forbidden { name, .. } = &mut self {
            *name = Some(host.to_owned());
        }
        self
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is not a network; write it like 10.0.0.0/8 or fd00::/8"))?;
    if network != network.trunc() {
        // Allowing the whole network could be far more than was intended.
        let (whole, address) = (network.trunc(), network.addr());
        return Err(format!(
            "{text:?} is an address inside a network; write {whole} or {address}"
        ));
    }
    if network.addr() != network.addr().to_canonical() {
        return Err(format!(
            "{text:?} is IPv4 written as IPv6; write the IPv4 network"
        ));
    }
    Ok(network)
}
