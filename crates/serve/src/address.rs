//! Listening on a server's port, and the error when that fails.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::host::Host;

/// How many connections may wait to be accepted. The operating system drops any more, and their
/// clients try again a second later; the usual 128 overflowed when 500 connected in one burst.
const BACKLOG: u32 = 1024;

/// The server could not listen on its port.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program is using the port.
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
    /// The operating system refused for any other reason.
    #[error("cannot listen on {address} (set {variable} to another port): {source}")]
    Other {
        /// The address that was asked for.
        address: SocketAddr,
        /// The environment variable that changes the port.
        variable: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// Listens on `host`:`port`; port 0 picks a free one. When the port is busy, the error names
/// `variable`. A HOST that was ignored is logged.
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
    // A restart must not wait until the operating system has forgotten the last run's connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
