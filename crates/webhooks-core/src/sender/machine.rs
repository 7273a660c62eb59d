//! Failures of this machine rather than the receiver: they do not use up an attempt.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::io::Errno;
use tokio::time::{Instant, timeout_at};

/// Two addresses of the public internet that nobody has (RFC 5737, RFC 3849): a machine with a route to neither
/// can reach nobody. Nothing is sent to them.
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
/// How often a task that waits for a receiver checks whether there is a route to it. A shorter outage is left to
/// TCP, which retransmits after at most twice that time.
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
    /// The error, if this machine is the reason why a connection to `address` could not be made.
    pub(super) fn of_connecting(error: &io::Error, address: SocketAddr) -> Option<Self> {
        let text = error.to_string();
        match Errno::from_io_error(error)? {
            // If this machine had no address of that family, the route check (UDP) would fail in the same way.
            Errno::ADDRNOTAVAIL => (has_route(address) == Some(true)).then_some(Self::Ports(text)),
            Errno::NETDOWN => Some(Self::Network(text)),
            Errno::NETUNREACH => {
                let is_away = ELSEWHERE
                    .into_iter()
                    .all(|there| has_route(there) != Some(true));
                is_away.then_some(Self::Network(text))
            }
            _ => Self::of_opening(error),
        }
    }

    /// The error, if a lack of files or memory is the reason why a socket could not be opened.
    fn of_opening(error: &io::Error) -> Option<Self> {
        let text = error.to_string();
        match Errno::from_io_error(error)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Files(text)),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Memory(text)),
            _ => None,
        }
    }
}

/// Waits for a receiver until `deadline`, and checks meanwhile whether there is a route to it: even if the network
/// is back by then, it may have been away for so long that no answer can come in time.
///
/// # Errors
/// Nothing came in time; contains the error if this machine is the reason.
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

/// The error if this machine is the reason for a silence: since the request began, all routes to the receiver have
/// been lost.
pub(super) fn lost_network(addresses: &[SocketAddr]) -> Option<MachineError> {
    let is_lost = |address: &SocketAddr| has_route(*address) == Some(false);
    let lost = !addresses.is_empty() && addresses.iter().all(is_lost);
    lost.then(|| MachineError::Network("the route to the receiver is gone".to_owned()))
}

/// Whether the system has a route to `address`; `None` if it cannot be asked. Sends nothing.
fn has_route(address: SocketAddr) -> Option<bool> {
    let own: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    match UdpSocket::bind(own) {
        Ok(socket) => Some(socket.connect(address).is_ok()),
        Err(error) => MachineError::of_opening(&error).is_none().then_some(false),
    }
}

/// The number of files that this process may have open; `None` if there is no such limit.
pub(super) fn files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// Logs once that the engine waits for this machine, and once that it continues.
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
                "this machine cannot make requests; deliveries wait, and no endpoint is held responsible"
            );
        }
    }

    /// A request was made after one could not be made.
    pub(crate) fn recovered(&self) {
        if self.waits.swap(false, Ordering::Relaxed) {
            tracing::info!("this machine can make requests again; deliveries continue");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address of this machine: there is always a route to it, whatever happens to the network.
    const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

    fn of(errno: Errno) -> Option<MachineError> {
        MachineError::of_connecting(&io::Error::from_raw_os_error(errno.raw_os_error()), HERE)
    }

    #[test]
    fn what_this_machine_lacks_is_its_own_failure_and_what_a_receiver_does_is_not() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            assert!(matches!(of(errno), Some(MachineError::Files(_))), "{errno}");
        }
        for errno in [Errno::NOBUFS, Errno::NOMEM] {
            assert!(
                matches!(of(errno), Some(MachineError::Memory(_))),
                "{errno}"
            );
        }
        let ports = of(Errno::ADDRNOTAVAIL);
        assert!(matches!(ports, Some(MachineError::Ports(_))), "{ports:?}");
        let network = of(Errno::NETDOWN);
        assert!(
            matches!(network, Some(MachineError::Network(_))),
            "{network:?}"
        );
        for errno in [
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::HOSTUNREACH,
            Errno::TIMEDOUT,
            Errno::PIPE,
        ] {
            assert_eq!(of(errno), None, "{errno}");
        }
        assert_eq!(of_text("not of the system"), None);
    }

    fn of_text(text: &str) -> Option<MachineError> {
        MachineError::of_connecting(&io::Error::other(text.to_owned()), HERE)
    }

    #[test]
    fn a_receiver_here_is_not_lost() {
        assert_eq!(has_route(HERE), Some(true));
        assert_eq!(lost_network(&[HERE]), None);
    }
}
