//! Ports for programs that are told theirs.

use std::{
    hash::{BuildHasher, RandomState},
    net::{TcpListener, UdpSocket},
    ops::Range,
};

use anyhow::Context;
use parking_lot::Mutex;

/// The range in which free ports are looked for: below those that the system assigns to
/// connections, because a connection could take one that was free a moment ago, and above those of
/// common servers and of `scratch-postgres`.
const PORTS: Range<u16> = 15_000..30_000;
/// Far more attempts than a machine with a few busy ports needs.
const TRIES: usize = 1_000;

/// What tells other tests that this process has a port, also while none of its programs listens
/// there: the port's namesake for datagrams, which nothing here uses.
static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// Ports on which nothing listens, and which no other test is given while this process runs. The
/// one after each is free too, for programs that use a second one there.
///
/// # Errors
/// When there are none.
pub fn free_ports<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    for port in &mut ports {
        *port = (0..TRIES)
            .find_map(free_pair)
            .context("no two free ports in a row")?;
    }
    Ok(ports)
}

fn free_pair(attempt: usize) -> Option<u16> {
    let random = RandomState::new().hash_one(attempt) % u64::from(PORTS.end - PORTS.start);
    let port = PORTS.start + u16::try_from(random).ok()?;
    let reserve = |port| UdpSocket::bind(("127.0.0.1", port)).ok();
    let reserved = [reserve(port)?, reserve(port + 1)?];
    let listen = |port| TcpListener::bind(("127.0.0.1", port)).ok();
    let _listeners = [listen(port)?, listen(port + 1)?];
    RESERVED.lock().extend(reserved);
    Some(port)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_port_is_given_to_one_test_at_a_time() {
        // Enough that some would be found twice.
        let ports: [u16; 300] = free_ports().unwrap();
        let taken: HashSet<u16> = ports
            .into_iter()
            .flat_map(|port| [port, port + 1])
            .collect();
        assert_eq!(taken.len(), 600);
    }
}
