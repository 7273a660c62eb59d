//! Why an address was refused: for the customer who gave it, and for the operator who may allow it.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

/// A URL, or an address that its name stands for, may not be sent to.
///
/// Its text is for customers: what is wrong with the URL, and nothing of the network behind us.
/// [`AddressRefusal::for_operators`] adds what it resolved to and how to allow that; so does
/// `Debug`, which `main` prints.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressRefusal {
    /// It is not an absolute URL.
    #[error("this is not a URL ({reason}); write it like https://acme.example/hooks")]
    Malformed {
        /// What the parser said.
        reason: url::ParseError,
    },
    /// It is longer than any real endpoint's.
    #[error("the URL is {length} bytes; the limit is {limit}")]
    TooLong {
        /// Bytes of the URL.
        length: usize,
        /// The most it may have.
        limit: usize,
    },
    /// It is neither http nor https.
    #[error("the scheme {scheme:?} is not allowed; use https, or http")]
    Scheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// It is http where only https is allowed.
    #[error("http is not encrypted; use https")]
    NotEncrypted,
    /// What stands before the `@` is not a user and a password.
    #[error(
        "the part before the @ {problem}; write user:password@ for basic auth, or leave it out"
    )]
    UserInfo {
        /// Completes "the part before the @ …"; never quotes it.
        problem: &'static str,
    },
    /// The port belongs to something that is no web server.
    #[error("port {port} belongs to {service}; use 443, 80 or another port above 1023")]
    Port {
        /// The port that the URL names.
        port: u16,
        /// Whose it is.
        service: &'static str,
    },
    /// The address is not one of the public internet.
    #[error(
        "{} is not a public address; use a URL on the public internet",
        shown(name, address)
    )]
    Forbidden {
        /// The name that resolved to the address; `None` when the URL has the address itself.
        name: Option<String>,
        /// The address that would have been dialled.
        address: IpAddr,
        /// How the offending IPv4 address is hidden in `address`, and which it is.
        embedding: Option<(Ipv4Embedding, IpAddr)>,
        /// The network to allow.
        network: IpNet,
        /// What that network is for.
        is: &'static str,
        /// Where that is written.
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
    /// The text for whoever runs the program: with the address, and how to allow it.
    pub fn for_operators(&self) -> impl fmt::Display {
        ForOperators(self)
    }
}

impl fmt::Debug for AddressRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.for_operators(), f)
    }
}

/// What the customer knows of it: the name, or the address that the URL itself has.
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
