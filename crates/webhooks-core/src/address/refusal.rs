//! Why an address was refused, and how to allow it.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

/// A URL, or an address that its name stands for, may not be sent to.
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
    #[error("http is not encrypted; use https, or turn https_only off")]
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
    #[error(
        "port {port} belongs to {service}; use 443, 80 or another port above 1023, \
         or add {port} to allow_ports"
    )]
    Port {
        /// The port that the URL names.
        port: u16,
        /// Whose it is.
        service: &'static str,
    },
    /// The address is not one of the public internet.
    #[error("{}", Forbidden { name, address, embedding, network, is, source_document })]
    Forbidden {
        /// The name that resolved to the address; `None` when the URL has the address itself.
        name: Option<String>,
        /// The address that would have been dialled.
        address: IpAddr,
        /// How the offending IPv4 address is hidden in `address`, and which it is.
        embedding: Option<(Embedding, IpAddr)>,
        /// The network to allow.
        network: IpNet,
        /// What that network is for.
        is: &'static str,
        /// Where that is written.
        source_document: &'static str,
    },
}

crate::error_text::debug_is_display!(AddressRefusal);

/// A way to carry an IPv4 address in an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Embedding {
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

impl fmt::Display for Embedding {
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

/// Writes [`AddressRefusal::Forbidden`] as a sentence.
struct Forbidden<'a> {
    name: &'a Option<String>,
    address: &'a IpAddr,
    embedding: &'a Option<(Embedding, IpAddr)>,
    network: &'a IpNet,
    is: &'a &'static str,
    source_document: &'a &'static str,
}

impl fmt::Display for Forbidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            write!(f, "{name} resolves to ")?;
        }
        write!(f, "{}", self.address)?;
        if let Some((how, ipv4)) = self.embedding {
            write!(f, " (that is {ipv4}, {how})")?;
        }
        let Self {
            network,
            is,
            source_document,
            ..
        } = self;
        write!(
            f,
            ", which is {is} ({network}, {source_document}); \
             add {network} to allow_networks if webhooks may go there"
        )
    }
}
