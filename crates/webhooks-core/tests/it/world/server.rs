//! A server of a test's own.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// More connections than a test opens at once may wait to be accepted: the operating system drops others, and their
/// senders try again a second later.
const BACKLOG: u32 = 4_096;

/// Serves a router until the test ends. Returns the address of its root.
pub(crate) async fn serve(app: axum::Router) -> String {
    let listener = listen([127, 0, 0, 1]);
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

/// Listens on a free port.
pub(crate) fn listen(host: [u8; 4]) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((host, 0))).unwrap();
    socket.listen(BACKLOG).unwrap()
}
