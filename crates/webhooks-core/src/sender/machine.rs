//! Failures of this machine, which are not the receiver's: no attempt is spent on them.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::io::Errno;
use tokio::time::{Instant, timeout_at};

/// Two addresses of the public internet that nobody has (RFC 5737, RFC 3849): a machine with a
/// route to neither can reach nobody. Nothing is sent to them.
const ELSEWHERE: [SocketAddr; 2] = [
    SocketAddr::new(
        std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        DISCARD_PORT,
    ),
    SocketAddr::new(
        std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        DISCARD_PORT,
    ),
];
const DISCARD_PORT: u16 = 9;
/// How often whoever waits for a receiver looks whether there is a way to it. A shorter outage is
/// TCP's to get over: it sends again after twice that time at most.
const LOOK_WAIT: Duration = Duration::from_secs(1);

/// Why this machine could not make a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MachineError {
    #[error("no file can be opened ({0}); raise the limit of open files")]
    Files(String),
    #[error("the system has no memory for another connection ({0})")]
    Memory(String),
    #[error("every local port is in use ({0})")]
    Ports(String),
    #[error("there is no network ({0})")]
    Network(String),
    #[error("{0}; see /etc/resolv.conf")]
    Names(String),
}

impl MachineError {
    /// What of a connection to `address` that could not be made is this machine's doing.
    pub(super) fn of_connecting(error: &io::Error, address: SocketAddr) -> Option<Self> {
        let text = error.to_string();
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Files(text)),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Memory(text)),
            // Without an address of its family, every other protocol fails alike.
            Errno::ADDRNOTAVAIL => has_route(address).then_some(Self::Ports(text)),
            Errno::NETDOWN => Some(Self::Network(text)),
            Errno::NETUNREACH => {
                (!ELSEWHERE.into_iter().any(has_route)).then_some(Self::Network(text))
            }
            _ => None,
        }
    }
}

/// Waits for a receiver until `deadline`, and looks meanwhile whether there is a way to it: a
/// network that is back by then may have been away for so long that no answer can come in time.
///
/// # Errors
/// Nothing came; with what of that is this machine's doing.
pub(super) async fn wait_for<T>(
    addresses: &[SocketAddr],
    deadline: Instant,
    coming: impl Future<Output = T>,
) -> Result<T, Option<MachineError>> {
    let mut coming = std::pin::pin!(coming);
    let mut lost = None;
    loop {
        let look = deadline.min(Instant::now() + LOOK_WAIT);
        if let Ok(came) = timeout_at(look, coming.as_mut()).await {
            return Ok(came);
        }
        lost = lost.or_else(|| lost_network(addresses));
        if look == deadline {
            return Err(lost);
        }
    }
}

/// What of a silence is this machine's doing: since the request began, every way to the receiver
/// has gone.
pub(super) fn lost_network(addresses: &[SocketAddr]) -> Option<MachineError> {
    let lost = !addresses.is_empty() && !addresses.iter().copied().any(has_route);
    lost.then(|| MachineError::Network("the way to the receiver has gone".to_owned()))
}

/// Whether the system knows a way to `address`. Asks it without sending anything.
fn has_route(address: SocketAddr) -> bool {
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    UdpSocket::bind(own).is_ok_and(|socket| socket.connect(address).is_ok())
}

/// Files that this process may have open; `None` where there is no such limit.
pub(super) fn files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Says once that the engine waits for this machine, and once that it goes on.
#[derive(Default)]
pub(crate) struct MachineLog {
    waits: AtomicBool,
}

impl MachineLog {
    /// A request could not be made.
    pub(crate) fn failed(&self, error: &MachineError) {
        if !self.waits.swap(true, Ordering::Relaxed) {
            tracing::error!(
                %error,
                "this machine cannot make requests; deliveries wait, and no endpoint is blamed"
            );
        }
    }

    /// A request was made that could not be made before.
    pub(crate) fn recovered(&self) {
        if self.waits.swap(false, Ordering::Relaxed) {
            tracing::info!("this machine makes requests again; deliveries go on");
        }
    }
}
