//! Every standard way in which an IPv6 address carries an IPv4 address that a gateway would dial.
//!
//! What cannot be seen in an address is not refused here: a network that runs NAT64 under a prefix of its own must
//! itself keep that gateway away from its private addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::refusal::Ipv4Embedding;

/// The IPv4 addresses inside `address`, with the way they are embedded.
///
/// Mapped addresses (::ffff:0:0/96) are not included: they are treated as IPv4 from the start.
pub(super) fn embedded(address: Ipv6Addr) -> Vec<(Ipv4Embedding, Ipv4Addr)> {
    let bits = address.to_bits();
    let mut found = Vec::new();
    let prefix96 = bits >> 32;
    let low = ipv4_at(bits, 96);
    match prefix96 {
        // `::` and `::1` are addresses in their own right.
        0 if bits > 1 => found.push((Ipv4Embedding::Compatible, low)),
        0xffff_0000 => found.push((Ipv4Embedding::Translated, low)),
        0x0064_ff9b_0000_0000_0000_0000 => found.push((Ipv4Embedding::Nat64, low)),
        _ => {}
    }
    if bits >> 80 == 0x0064_ff9b_0001 {
        found.extend(local_nat64(bits).map(|ipv4| (Ipv4Embedding::LocalNat64, ipv4)));
    }
    if bits >> 112 == 0x2002 {
        found.push((Ipv4Embedding::SixToFour, ipv4_at(bits, 16)));
    }
    if bits >> 96 == 0x2001_0000 {
        found.push((Ipv4Embedding::TeredoServer, ipv4_at(bits, 32)));
        // The client's address is sent inverted, to hide it from careless NATs.
        found.push((Ipv4Embedding::TeredoClient, ipv4_at(!bits, 96)));
    }
    // Any prefix; the two flag bits say whether the IPv4 address is globally unique and whether it is a group.
    let interface = (bits >> 32) & 0xffff_ffff;
    if interface & !0x0300_0000 == 0x0000_5efe {
        found.push((Ipv4Embedding::Isatap, low));
    }
    found
}

/// RFC 6052 lets the operator choose the length of the prefix, which moves the IPv4 address around the octet that
/// must be zero. Every layout in which `bits` can be read counts.
fn local_nat64(bits: u128) -> impl Iterator<Item = Ipv4Addr> {
    let ends_at = |end: u32| bits.trailing_zeros() >= 128 - end;
    let octet_is_zero = (bits >> 56) & 0xff == 0;
    // The same bits without that octet, so that an address spanning it is in one piece.
    let joined = ((bits >> 64) << 64) | ((bits << 72) >> 64);
    let split =
        |start: u32, end: u32| (octet_is_zero && ends_at(end)).then(|| ipv4_at(joined, start));
    [
        split(48, 88),
        split(56, 96),
        split(64, 104),
        // If it ends in zeros, it is one of the layouts above.
        (!ends_at(96)).then(|| ipv4_at(bits, 96)),
    ]
    .into_iter()
    .flatten()
}

/// The 32 bits that begin at bit `start`, counted from the left.
fn ipv4_at(bits: u128, start: u32) -> Ipv4Addr {
    let shifted = (bits << start) >> 96;
    let [.., a, b, c, d] = shifted.to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: &str) -> Vec<(Ipv4Embedding, String)> {
        embedded(address.parse().unwrap())
            .into_iter()
            .map(|(how, ipv4)| (how, ipv4.to_string()))
            .collect()
    }

    #[test]
    fn each_embedding_is_found_where_its_rfc_puts_it() {
        let one = |how, ipv4: &str| vec![(how, ipv4.to_owned())];
        assert_eq!(
            found("::10.1.2.3"),
            one(Ipv4Embedding::Compatible, "10.1.2.3")
        );
        assert_eq!(
            found("::ffff:0:10.1.2.3"),
            one(Ipv4Embedding::Translated, "10.1.2.3")
        );
        assert_eq!(
            found("64:ff9b::10.1.2.3"),
            one(Ipv4Embedding::Nat64, "10.1.2.3")
        );
        assert_eq!(
            found("2002:0a01:0203::1"),
            one(Ipv4Embedding::SixToFour, "10.1.2.3")
        );
        assert_eq!(
            found("2606:4700::5efe:10.1.2.3"),
            one(Ipv4Embedding::Isatap, "10.1.2.3")
        );
        assert_eq!(
            found("2606:4700::200:5efe:10.1.2.3"),
            one(Ipv4Embedding::Isatap, "10.1.2.3")
        );
        // The example of RFC 4380: server 65.54.227.120, client 192.0.2.45.
        assert_eq!(
            found("2001:0:4136:e378:8000:63bf:3fff:fdd2"),
            [
                (Ipv4Embedding::TeredoServer, "65.54.227.120".to_owned()),
                (Ipv4Embedding::TeredoClient, "192.0.2.45".to_owned()),
            ]
        );
    }

    /// The layouts of RFC 6052's table, inside the prefix that RFC 8215 gave to local networks.
    #[test]
    fn a_local_nat64_address_is_read_in_every_layout() {
        for (address, ipv4) in [
            ("64:ff9b:1:c000:2:2100::", "192.0.2.33"),
            ("64:ff9b:1:abc0:0:221::", "192.0.2.33"),
            ("64:ff9b:1:abcd:c0:2:2100:0", "192.0.2.33"),
            ("64:ff9b:1:abcd::192.0.2.33", "192.0.2.33"),
        ] {
            let found = found(address);
            assert!(
                found.contains(&(Ipv4Embedding::LocalNat64, ipv4.to_owned())),
                "{address}: {found:?}"
            );
        }
    }

    #[test]
    fn ordinary_addresses_embed_nothing() {
        for address in ["::", "::1", "2606:4700::1111", "fe80::1", "2001:db8::1"] {
            assert_eq!(found(address), [], "{address}");
        }
    }
}
