//! Whatever is given as an endpoint's URL: judged without a panic, and never a way in.

use crate::property::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::Host;
use webhooks_core::AddressPolicy;

/// Addresses of this machine and of networks behind it, as the standard library knows them.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4_mapped().is_some_and(|v4| is_inside(v4.into()))
        }
    }
}

#[test]
fn any_text_is_judged_and_what_passes_points_outside() {
    let fragments = select(vec![
        "http",
        "https",
        "ftp",
        "file",
        "://",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "?",
        "#",
        "[",
        "]",
        "::",
        "ffff:",
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "10.0.0.1",
        "8.8.8.8",
        "localhost",
        "example",
        ".",
        "%2e",
        "%00",
        "\u{3002}",
        "\u{ff11}",
        "\u{2488}",
        "443",
        "80",
        "22",
        "99999",
        "user",
        " ",
        "\t",
        "\n",
        "\u{0}",
        "64:ff9b::",
        "2002:7f00:1::",
        "%25lo",
    ]);
    let text = prop_oneof![
        3 => vec(fragments.clone(), 0..12).prop_map(|parts| parts.concat()),
        3 => vec(fragments, 0..6).prop_map(|parts| format!("http://{}/", parts.concat())),
        1 => any::<String>(),
    ];
    let policy = AddressPolicy::default();
    fuzz(&text, |text| {
        let Ok(url) = policy.parse(&text) else {
            return Ok(());
        };
        prop_assert!(matches!(url.scheme(), "http" | "https"), "{}", url);
        match url.host().unwrap() {
            Host::Ipv4(v4) => prop_assert!(!is_inside(v4.into()), "{}", url),
            Host::Ipv6(v6) => prop_assert!(!is_inside(v6.into()), "{}", url),
            Host::Domain(name) => prop_assert!(name.parse::<IpAddr>().is_err(), "{}", url),
        }
        Ok(())
    });
}

#[test]
fn an_inside_address_is_refused_in_every_spelling_and_every_embedding() {
    let inside = prop_oneof![
        any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::new(127, b, c, d)),
        any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::new(10, b, c, d)),
        any::<[u8; 2]>().prop_map(|[c, d]| Ipv4Addr::new(192, 168, c, d)),
        any::<[u8; 2]>().prop_map(|[c, d]| Ipv4Addr::new(169, 254, c, d)),
        (16..32_u8, any::<[u8; 2]>()).prop_map(|(b, [c, d])| Ipv4Addr::new(172, b, c, d)),
    ];
    let policy = AddressPolicy::default();
    fuzz(&inside, |v4| {
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let number = u32::from(v4);
        let hosts = [
            v4.to_string(),
            format!("{v4}."),
            number.to_string(),
            format!("{number:#x}"),
            format!("{number:#o}").replacen("0o", "0", 1),
            format!("{a:#x}.{b}.{low}"),
            format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
            format!("[::ffff:{v4}]"),
            format!("[::{v4}]"),
            format!("[64:ff9b::{v4}]"),
            format!("[2002:{high:x}:{low:x}::]"),
            format!("[::ffff:0:{v4}]"),
            format!("[2001:db8::5efe:{v4}]"),
        ];
        for host in hosts {
            let url = format!("http://{host}/");
            prop_assert!(policy.parse(&url).is_err(), "{} passed", url);
        }
        for address in [
            IpAddr::V4(v4),
            IpAddr::V6(v4.to_ipv6_mapped()),
            // 6to4, and NAT64's well-known prefix.
            IpAddr::V6(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1)),
            IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low)),
        ] {
            prop_assert!(policy.judge_ip(address).is_err(), "{} passed", address);
        }
        Ok(())
    });
}

#[test]
fn any_address_of_the_standard_librarys_inside_ranges_is_refused_when_dialled() {
    let policy = AddressPolicy::default();
    fuzz(
        &prop_oneof![
            any::<Ipv4Addr>().prop_map(IpAddr::V4),
            any::<Ipv6Addr>().prop_map(IpAddr::V6)
        ],
        |address| {
            prop_assert!(
                !is_inside(address) || policy.judge_ip(address).is_err(),
                "{} passed",
                address
            );
            Ok(())
        },
    );
}
