//! Why a server's certificate was not accepted, and what can be done about it.
//!
//! A test server usually signs its own certificate, so the first `https://` call fails; the TLS
//! library's error names neither the certificate nor a remedy.

use std::{error::Error, io};

use rustls::CertificateError;

/// Why a TLS connection was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "the server's certificate is not trusted: no known authority has signed it; SSL_CERT_FILE names a file with the certificates to trust (on Linux; elsewhere the system's own store has them)"
    )]
    Unknown,
    #[error(
        "the server's certificate is not trusted: it is a certificate authority's own, which no server may use; make one with basicConstraints=CA:FALSE, or sign one with it and name it in SSL_CERT_FILE"
    )]
    Authority,
    #[error("the server's certificate is not trusted: {0}")]
    Certificate(String),
    #[error("the server does not speak TLS; is its URL one with http://?")]
    NotTls,
}

/// The refusal that this error comes from, if one is among its causes.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> Option<Refusal> {
    match tls(error)? {
        // A signature that does not match comes from another authority with the same name.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => Some(Refusal::Unknown),
        rustls::Error::InvalidCertificate(fault) => {
            let told = fault.to_string();
            Some(match told.contains("CaUsedAsEndEntity") {
                true => Refusal::Authority,
                false => Refusal::Certificate(told),
            })
        }
        rustls::Error::InvalidMessage(_) => Some(Refusal::NotTls),
        _ => None,
    }
}

fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            // An io::Error leaves what it wraps out of its sources.
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
