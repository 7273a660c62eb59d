//! Listening on a free port.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted: nodes that take over what another held open a thousand at once. The
/// operating system drops any more, and their senders try again a second later, which the usual 128 made look like a
/// slow takeover.
const BACKLOG: u32 = 4_096;

/// Listens on a free port of the loopback address.
///
/// # Errors
/// When there is none.
pub fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(BACKLOG)
}
