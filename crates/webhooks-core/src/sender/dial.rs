//! How a connection is made: to the checked addresses of the name, one after another as in RFC 8305, then TLS for
//! https.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as crypto;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as crypto;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use url::{Host, Url};

use super::{
    connection::Transport,
    machine::MachineError,
    outcome::{SendError, of_connecting, of_handshake},
};
use crate::{
    address::{
        lookup::LookupError,
        names::{NameError, Names},
    },
    attempt::Failure,
};

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!(
    "https needs the feature aws-lc-rs (a default) or ring of webhooks-core; enable one of them"
);

/// The maximum number of addresses of a name that are tried; RFC 8305 wants both families among the first.
const ADDRESSES_MAX: usize = 8;
/// How long to wait for one address before the next is tried in parallel (RFC 8305).
const NEXT_ADDRESS_WAIT: Duration = Duration::from_millis(250);

/// Makes connections.
pub(super) struct Dialler {
    names: Arc<Names>,
    tls: TlsConnector,
}

impl Dialler {
    /// Creates a dialler that trusts the certificates that the system trusts, or those in `SSL_CERT_FILE`.
    pub(super) fn new(names: Names) -> Result<Self, rustls::Error> {
        let provider = Arc::new(crypto::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            names: Arc::new(names),
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Connects to the host of `url` at one of its `addresses`.
    pub(super) async fn connect(
        &self,
        url: &Url,
        addresses: &[SocketAddr],
    ) -> Result<(SocketAddr, Transport), SendError> {
        let stream = connect(addresses).await?;
        let peer = stream
            .peer_addr()
            .map_err(|error| Failure::Broken(error.to_string()))?;
        // A request is one write; a second one must not wait for the first to be acknowledged.
        let _ = stream.set_nodelay(true);
        if url.scheme() != "https" {
            return Ok((peer, Either::Left(stream)));
        }
        let host = url.host_str().unwrap_or_default();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Failure::Request(format!("{host:?} cannot be in a certificate")))?;
        match self.tls.connect(name, stream).await {
            Ok(stream) => Ok((peer, Either::Right(stream))),
            Err(error) => Err(of_handshake(&error).into()),
        }
    }

    /// The addresses of the host of `url`, all of them checked, in the order in which to dial them. `customer` is
    /// the customer on whose behalf the name is looked up.
    pub(super) async fn addresses(
        &self,
        customer: &Arc<str>,
        url: &Url,
    ) -> Result<Vec<SocketAddr>, SendError> {
        let port = url.port_or_known_default().unwrap_or_default();
        let address = match url.host() {
            Some(Host::Domain(name)) => {
                let found = self.names.addresses(customer, name).await;
                let found = found.map_err(|error| match error {
                    NameError::Refused(refusal) => {
                        Failure::Address(refusal.for_operators().to_string()).into()
                    }
                    NameError::Lookup(LookupError::Unavailable(reason)) => {
                        SendError::from(MachineError::Names(reason))
                    }
                    NameError::Lookup(error) => Failure::Name(error.to_string()).into(),
                })?;
                return Ok(in_turn(&found, port));
            }
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            None => return Err(Failure::Request("the URL has no host".to_owned()).into()),
        };
        let judged = self.names.policy().judge_ip(address);
        judged.map_err(|refusal| Failure::Address(refusal.for_operators().to_string()))?;
        Ok(vec![SocketAddr::new(address, port)])
    }
}

/// Alternates between the address families, starting with that of the first address.
fn in_turn(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let first_is_ipv4 = addresses.first().is_some_and(IpAddr::is_ipv4);
    let of = |ipv4: bool| addresses.iter().filter(move |it| it.is_ipv4() == ipv4);
    let (mut first, mut second) = (of(first_is_ipv4), of(!first_is_ipv4));
    let mut turns: Vec<&IpAddr> = Vec::new();
    while turns.len() < ADDRESSES_MAX {
        let before = turns.len();
        turns.extend(first.next());
        turns.extend(second.next());
        if turns.len() == before {
            break;
        }
    }
    turns
        .into_iter()
        .map(|address| SocketAddr::new(*address, port))
        .collect()
}

/// The first connection that can be made. The error is the one that says most about the receiver.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
    let mut dialling = FuturesUnordered::new();
    let mut failure: Option<SendError> = None;
    for address in addresses {
        dialling.push(connect_one(*address));
        let wait = tokio::time::sleep(NEXT_ADDRESS_WAIT);
        tokio::select! {
            Some(connected) = dialling.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => keep_telling(&mut failure, error),
            },
            () = wait => {}
        }
    }
    while let Some(connected) = dialling.next().await {
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => keep_telling(&mut failure, error),
        }
    }
    Err(failure.unwrap_or_else(|| Failure::Connect("there is no address".to_owned()).into()))
}

async fn connect_one(address: SocketAddr) -> Result<TcpStream, SendError> {
    TcpStream::connect(address)
        .await
        .map_err(|error: io::Error| of_connecting(&error, address))
}

/// Among the errors of several addresses, the receiver's own answer takes precedence, and this machine's failure
/// comes last.
fn keep_telling(kept: &mut Option<SendError>, error: SendError) {
    let says_more = match (&*kept, &error) {
        (None, _) => true,
        (Some(SendError::Machine(_) | SendError::Receiver(Failure::Connect(_))), error) => {
            matches!(error, SendError::Receiver(_))
        }
        _ => false,
    };
    if says_more {
        *kept = Some(error);
    }
}
