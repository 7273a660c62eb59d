//! A free port, found by starting the server on it.

use std::{
    hash::{BuildHasher, RandomState},
    ops::Range,
};

use anyhow::bail;

use crate::server::Started;

/// Below the ports that the system assigns to connections and those that tests choose for programs,
/// so that a port stays free for its server while it is down.
const PORTS: Range<u16> = 10_000..15_000;
/// Far more than a machine with a few busy ports needs.
const TRIES: u32 = 50;

/// Starts a server on one port after another, until one is free.
pub(crate) fn on_free_port(
    mut start: impl FnMut(u16) -> anyhow::Result<Started>,
) -> anyhow::Result<()> {
    for number in 0..TRIES {
        let ports = u64::from(PORTS.end - PORTS.start);
        let place = u16::try_from(RandomState::new().hash_one(number) % ports)?;
        if let Started::Ready = start(PORTS.start + place)? {
            return Ok(());
        }
    }
    bail!("{TRIES} ports of {PORTS:?} are taken")
}
