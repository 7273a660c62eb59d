//! Why an address was refused: for the customer who gave it, and for the operator who may allow it.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

/// Webhooks may not be sent to a URL, or to an address that its host name resolves to.
///
/// The `Display` text is for customers: it says what is wrong with the URL, and nothing about the network behind
/// us. [`AddressRefusal::for_operators`] adds what it resolved to and how to allow that; so does `Debug`, which
/// `main` prints.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressRefusal {
    /// It is not an absolute URL.
    #[error("this is not a URL ({reason}); write it like https://acme.example/hooks")]
    Malformed {
        /// The error from the parser.
        reason: url::ParseError,
    },
    /// It is longer than the URL of any real endpoint.
    #[error("the URL is {length} bytes; the limit is {limit}")]
    TooLong {
        /// Bytes of the URL.
        length: usize,
        /// The maximum number of bytes it may have.
        limit: usize,
    },
    /// It is neither http nor https.
    #[error("the scheme {scheme:?} is not allowed; use https, or http")]
    Scheme {
        /// The part before the colon.
        scheme: String,
    },
    /// It is http where only https is allowed.
    #[error("http is not encrypted; use https")]
    NotEncrypted,
    /// The part before the `@` is not a user and a password.
    #[error(
        "the part before the @ {problem}; write user:password@ for basic auth, or leave it out"
    )]
    UserInfo {
        /// Completes "the part before the @ …"; never quotes it.
        problem: &'static str,
    },
    /// The port belongs to something that is not a web server.
    #[error("port {port} belongs to {service}; use 443, 80 or another port above 1023")]
    Port {
        /// The port that the URL names.
        port: u16,
        /// The service that it belongs to.
        service: &'static str,
    },
    /// The address is not on the public internet.
    #[error(
        "{} is not a public address; use a URL on the public internet",
        shown(name, address)
    )]
    Forbidden {
        /// The name that resolved to the address; `None` if the URL contains the address itself.
        name: Option<String>,
        /// The address that would have been dialled.
        address: IpAddr,
        /// How the offending IPv4 address is embedded in `address`, and that address.
        embedding: Option<(Ipv4Embedding, IpAddr)>,
        /// The network to allow.
        network: IpNet,
        /// What that network is for.
        is: &'static str,
        /// The document that says so.
        source_document: &'static str,
    },
}

/// A way to carry an IPv4 address in an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ipv4Embedding {
    /// `::a.b.c.d`, RFC 4291.
    Compatible,
    /// `::ffff:a.b.c.d`, RFC 4291.
    Mapped,
    /// `::ffff:0:a.b.c.d`, RFC 2765.
    Translated,
    /// `64:ff9b::a.b.c.d`, RFC 6052.
    Nat64,
    /// Somewhere in `64:ff9b:1::/48`, RFC 8215.
    LocalNat64,
    /// `2002:aabb:ccdd::`, RFC 3056.
    SixToFour,
    /// The server in `2001::/32`, RFC 4380.
    TeredoServer,
    /// The client in `2001::/32`, RFC 4380.
    TeredoClient,
    /// Any prefix, then `0:5efe:a.b.c.d`, RFC 5214.
    Isatap,
}

impl fmt::Display for Ipv4Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compatible => "IPv4-compatible",
            Self::Mapped => "IPv4-mapped",
            Self::Translated => "IPv4-translated",
            Self::Nat64 => "NAT64",
            Self::LocalNat64 => "local NAT64",
            Self::SixToFour => "6to4",
            Self::TeredoServer => "Teredo server",
            Self::TeredoClient => "Teredo client",
            Self::Isatap => "ISATAP",
        })
    }
}

impl AddressRefusal {
    /// The text for operators: with the address, and how to allow it.
    pub fn for_operators(&self) -> impl fmt::Display {
        ForOperators(self)
    }
}

impl fmt::Debug for AddressRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.for_operators(), f)
    }
}

/// What the customer knows about it: the name, or the address in the URL itself.
fn shown(name: &Option<String>, address: &IpAddr) -> String {
    name.clone().unwrap_or_else(|| address.to_string())
}

struct ForOperators<'a>(&'a AddressRefusal);

impl fmt::Display for ForOperators<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AddressRefusal::Forbidden {
            name,
            address,
            embedding,
            network,
            is,
            source_document,
        } = self.0
        else {
            write!(f, "{}", self.0)?;
            return match self.0 {
                AddressRefusal::NotEncrypted => f.write_str(", or turn https_only off"),
                AddressRefusal::Port { port, .. } => write!(f, ", or add {port} to allow_ports"),
                _ => Ok(()),
            };
        };
        if let Some(name) = name {
            write!(f, "{name} resolves to ")?;
        }
        write!(f, "{address}")?;
        if let Some((how, ipv4)) = embedding {
            write!(f, " (that is {ipv4}, {how})")?;
        }
        write!(
            f,
            ", which is {is} ({network}, {source_document}); \
             add {network} to allow_networks if webhooks may go there"
        )
    }
}
