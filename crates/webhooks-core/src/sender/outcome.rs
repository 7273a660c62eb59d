//! What went wrong with a request, and whose failure it is.

use std::{error::Error, io, net::SocketAddr};

use super::machine::MachineError;
use crate::attempt::Failure;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// The receiver's: it counts as an attempt.
    #[error(transparent)]
    Receiver(#[from] Failure),
    /// This machine's: nothing was attempted.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// A connection to `address` that could not be made.
pub(super) fn of_connecting(error: &io::Error, address: SocketAddr) -> SendError {
    if let Some(machine) = MachineError::of_connecting(error, address) {
        return machine.into();
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Refused.into(),
        _ => Failure::Connect(error.to_string()).into(),
    }
}

/// A TLS handshake that failed.
pub(super) fn of_handshake(error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(error) => Failure::Tls(rustls::Error::to_string(error)),
        None if error.kind() == io::ErrorKind::ConnectionReset => reset(),
        None => Failure::Tls(error.to_string()),
    }
}

/// A request on a connection that was there.
pub(super) fn of_exchange(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return Failure::NotHttp(error.to_string());
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Failure::Broken("it was closed before the answer was complete".to_owned());
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

/// Whether an error is a sentence of ours, and wraps no other.
fn is_text(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.source().is_none() && !error.is::<rustls::Error>()
}

fn reset() -> Failure {
    Failure::Broken("it was reset".to_owned())
}
