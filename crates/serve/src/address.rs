//! Where a server listens, and what it says when it can't.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::host::Host;

/// Connections that may wait to be accepted. Beyond it the operating system drops them and clients
/// try again a second later; the usual 128 overflowed when 500 connected in one burst.
const BACKLOG: u32 = 1024;

/// A port could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has the port.
    #[error(
        "port {port} on {host} is in use; stop the program that has it or set {variable} to another port"
    )]
    Busy {
        /// The address that was asked for.
        host: IpAddr,
        /// The port that was asked for.
        port: u16,
        /// The environment variable that changes the port.
        variable: &'static str,
    },
    /// Any other refusal of the operating system.
    #[error("cannot listen on {address} (set {variable} to another port): {source}")]
    Other {
        /// The address that was asked for.
        address: SocketAddr,
        /// The environment variable that changes the port.
        variable: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Listens on `host`:`port`; port 0 picks a free one. `variable` is named when the port is busy.
/// A HOST that was ignored is logged.
///
/// # Errors
/// [`BindError`] names the port and the variable to change.
pub async fn bind(
    host: impl Into<Host>,
    port: u16,
    variable: &'static str,
) -> Result<TcpListener, BindError> {
    let Host {
        address: host,
        ignored,
    } = host.into();
    if let Some(ignored) = ignored {
        tracing::warn!("{ignored}");
    }
    let address = SocketAddr::new(host, port);
    listen(address).map_err(|source| {
        if source.kind() == std::io::ErrorKind::AddrInUse {
            BindError::Busy {
                host,
                port,
                variable,
            }
        } else {
            BindError::Other {
                address,
                variable,
                source,
            }
        }
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart must not wait for the last run's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
