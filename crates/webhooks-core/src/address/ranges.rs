//! The special-purpose networks of IPv4 and IPv6, from the IANA registries, and other networks in which no webhook
//! receiver on the internet lives.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network that is not part of the plain internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) network: IpNet,
    /// Completes "which is …".
    pub(super) is: &'static str,
    pub(super) source: &'static str,
    /// Whether an address in it may be dialled if the address embedded in it may be.
    pub(super) passes: bool,
}

const fn v4(network: [u8; 4], bits: u8, is: &'static str, source: &'static str) -> Range {
    let [a, b, c, d] = network;
    Range {
        network: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)),
        is,
        source,
        passes: false,
    }
}

const fn v6(network: [u16; 8], bits: u8, is: &'static str, source: &'static str) -> Range {
    let [a, b, c, d, e, f, g, h] = network;
    Range {
        network: IpNet::V6(Ipv6Net::new_assert(
            Ipv6Addr::new(a, b, c, d, e, f, g, h),
            bits,
        )),
        is,
        source,
        passes: false,
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, multicast, and one address that a cloud provider
/// keeps for itself among the public ones.
#[rustfmt::skip]
const IPV4: &[Range] = &[
    v4([0, 0, 0, 0],        8, "\"this network\"",                         "RFC 791"),
    v4([0, 0, 0, 0],       32, "unspecified, often this machine",          "RFC 1122"),
    v4([10, 0, 0, 0],       8, "private",                                  "RFC 1918"),
    v4([100, 64, 0, 0],    10, "shared by a carrier's or cloud's network", "RFC 6598"),
    v4([127, 0, 0, 0],      8, "loopback",                                 "RFC 1122"),
    v4([168, 63, 129, 16], 32, "Azure's platform, seen from its machines", "Azure documentation"),
    v4([169, 254, 0, 0],   16, "link-local, where clouds keep credentials", "RFC 3927"),
    v4([172, 16, 0, 0],    12, "private",                                  "RFC 1918"),
    v4([192, 0, 0, 0],     24, "reserved for protocols",                   "RFC 6890"),
    v4([192, 0, 0, 0],     29, "reserved for IPv4 over IPv6",              "RFC 7335"),
    v4([192, 0, 0, 8],     32, "the IPv4 dummy address",                   "RFC 7600"),
    v4([192, 0, 0, 9],     32, "reserved for port control",                "RFC 7723"),
    v4([192, 0, 0, 10],    32, "reserved for TURN relays",                 "RFC 8155"),
    v4([192, 0, 0, 170],   32, "reserved for NAT64 discovery",             "RFC 8880"),
    v4([192, 0, 0, 171],   32, "reserved for NAT64 discovery",             "RFC 8880"),
    v4([192, 0, 2, 0],     24, "for documentation",                        "RFC 5737"),
    v4([192, 31, 196, 0],  24, "reserved for AS112 name servers",          "RFC 7535"),
    v4([192, 52, 193, 0],  24, "reserved for multicast tunnels",           "RFC 7450"),
    v4([192, 88, 99, 0],   24, "reserved for 6to4 relays",                 "RFC 7526"),
    v4([192, 88, 99, 2],   32, "reserved for 6a44 relays",                 "RFC 6751"),
    v4([192, 168, 0, 0],   16, "private",                                  "RFC 1918"),
    v4([192, 175, 48, 0],  24, "reserved for AS112 name servers",          "RFC 7534"),
    v4([198, 18, 0, 0],    15, "for benchmarks",                           "RFC 2544"),
    v4([198, 51, 100, 0],  24, "for documentation",                        "RFC 5737"),
    v4([203, 0, 113, 0],   24, "for documentation",                        "RFC 5737"),
    v4([224, 0, 0, 0],      4, "multicast",                                "RFC 5771"),
    v4([240, 0, 0, 0],      4, "reserved",                                 "RFC 1112"),
    v4([255, 255, 255, 255], 32, "broadcast",                              "RFC 919"),
];

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, multicast, site-local, and everything outside
/// 2000::/3, the only part that is allocated to the internet.
///
/// ::ffff:0:0/96 (IPv4-mapped) is not here: the operating system dials the IPv4 address in it, so
/// it is judged as that address.
#[rustfmt::skip]
const IPV6: &[Range] = &[
    v6([0, 0, 0, 0, 0, 0, 0, 0],            3, "outside global unicast",            "RFC 4291"),
    v6([0x4000, 0, 0, 0, 0, 0, 0, 0],       2, "outside global unicast",            "RFC 4291"),
    v6([0x8000, 0, 0, 0, 0, 0, 0, 0],       1, "outside global unicast",            "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0, 0, 0],           96, "IPv4-compatible, long deprecated",  "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0, 0, 0],          128, "unspecified, often this machine",   "RFC 4291"),
    v6([0, 0, 0, 0, 0, 0, 0, 1],          128, "loopback",                          "RFC 4291"),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0],      96, "IPv4-translated",                   "RFC 2765"),
    // An IPv6-only network reaches all of IPv4 through it, so the embedded address decides.
    Range { passes: true, ..
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0],   96, "NAT64",                             "RFC 6052") },
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0],   48, "NAT64 of a local network",          "RFC 8215"),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0],       64, "for discarding",                    "RFC 6666"),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0],       64, "the IPv6 dummy network",            "RFC 9780"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0],      23, "reserved for protocols",            "RFC 2928"),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0],      32, "Teredo, a tunnel",                  "RFC 4380"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 1],     128, "reserved for port control",         "RFC 7723"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 2],     128, "reserved for TURN relays",          "RFC 8155"),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 3],     128, "reserved for service registration", "RFC 9665"),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0],      48, "for benchmarks",                    "RFC 5180"),
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0],      32, "reserved for multicast tunnels",    "RFC 7450"),
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0],  48, "reserved for AS112 name servers",   "RFC 7535"),
    v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0],   28, "ORCHID, no address to dial",        "RFC 4843"),
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0],   28, "ORCHIDv2, no address to dial",      "RFC 7343"),
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0],   28, "for drones' identities",            "RFC 9374"),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],  32, "for documentation",                 "RFC 3849"),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0],      16, "6to4, a tunnel",                    "RFC 3056"),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "reserved for AS112 name servers", "RFC 7534"),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0],      20, "for documentation",                 "RFC 9637"),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0],      16, "for segment routing",               "RFC 9602"),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0],       7, "private (unique local)",            "RFC 4193"),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0],      10, "link-local",                        "RFC 4291"),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0],      10, "site-local, long deprecated",       "RFC 3879"),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0],       8, "multicast",                         "RFC 4291"),
];

/// The narrowest special-purpose network that `address` is in; `None` for the plain internet.
pub(super) fn special(address: IpAddr) -> Option<&'static Range> {
    let table = match address {
        IpAddr::V4(_) => IPV4,
        IpAddr::V6(_) => IPV6,
    };
    table
        .iter()
        .filter(|range| range.network.contains(&address))
        .max_by_key(|range| range.network.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_has_bits_beyond_its_prefix() {
        for range in IPV4.iter().chain(IPV6) {
            assert_eq!(range.network, range.network.trunc(), "{range:?}");
        }
    }

    #[test]
    fn the_narrowest_network_is_named() {
        let name = |text: &str| special(text.parse().unwrap()).map(|range| range.is);
        assert_eq!(name("0.0.0.0"), Some("unspecified, often this machine"));
        assert_eq!(name("0.0.0.1"), Some("\"this network\""));
        assert_eq!(name("255.255.255.255"), Some("broadcast"));
        assert_eq!(name("::1"), Some("loopback"));
        assert_eq!(name("2001::1"), Some("Teredo, a tunnel"));
        assert_eq!(name("7fff::1"), Some("outside global unicast"));
        assert_eq!(name("9.255.255.255"), None);
        assert_eq!(name("2606:4700::1111"), None);
    }

    #[test]
    fn the_addresses_next_to_each_network_are_not_in_it() {
        for range in IPV4.iter().filter(|range| range.network.prefix_len() < 32) {
            let IpNet::V4(network) = range.network else {
                unreachable!("{range:?}")
            };
            for edge in [network.network(), network.broadcast()] {
                assert!(special(edge.into()).is_some(), "{edge}");
            }
            let before = u32::from(network.network()).checked_sub(1);
            let after = u32::from(network.broadcast()).checked_add(1);
            for neighbour in [before, after].into_iter().flatten() {
                let neighbour = IpAddr::from(Ipv4Addr::from(neighbour));
                let named = special(neighbour).map(|range| range.network);
                assert_ne!(named, Some(range.network), "{neighbour}");
            }
        }
    }
}
