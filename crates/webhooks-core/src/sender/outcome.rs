//! What went wrong with a request, and whose failure it is.

use std::{error::Error, io, net::SocketAddr};

use super::machine::MachineError;
use crate::attempt::Failure;

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// The receiver's failure: it counts as an attempt.
    #[error(transparent)]
    Receiver(#[from] Failure),
    /// This machine's failure: nothing was attempted.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// The error for a connection to `address` that could not be made.
pub(super) fn of_connecting(error: &io::Error, address: SocketAddr) -> SendError {
    if let Some(machine) = MachineError::of_connecting(error, address) {
        return machine.into();
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused.into(),
        _ => Failure::Connect(error.to_string()).into(),
    }
}

/// The failure for a failed TLS handshake.
pub(super) fn of_handshake(error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(error) => Failure::Tls(rustls::Error::to_string(error)),
        None if error.kind() == io::ErrorKind::ConnectionReset => reset(),
        None => Failure::Tls(error.to_string()),
    }
}

/// The failure for a request on an established connection.
pub(super) fn of_exchange(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return Failure::NotHttp(error.to_string());
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Failure::Broken("it was closed before the response was complete".to_owned());
    }
    let mut innermost: &(dyn Error + 'static) = error;
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Failure::Tls(tls.to_string());
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionReset => return reset(),
                io::ErrorKind::InvalidData if io.get_ref().is_some_and(is_text) => {
                    return Failure::NotHttp(io.to_string());
                }
                _ => {}
            }
        }
        innermost = error;
        // `io::Error` hides the error it wraps from `source`.
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Failure::Broken(innermost.to_string())
}

/// Whether an error is one of our own messages and wraps no other error.
fn is_text(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.source().is_none() && !error.is::<rustls::Error>()
}

fn reset() -> Failure {
    Failure::Broken("it was reset".to_owned())
}
