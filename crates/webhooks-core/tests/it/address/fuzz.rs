//! Random URLs and addresses against an oracle that shares nothing with the guard's tables.
//!
//! `PROPTEST_CASES` makes it run longer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::{Host, Url};
use webhooks_core::{AddressPolicy, hide_credentials, split_credentials};

/// Written as arithmetic on octets, from the registries' text.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 31 && c == 196)
        || (a == 192 && b == 52 && c == 193)
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 175 && c == 48)
        || (a, b, c, d) == (168, 63, 129, 16);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(ipv4) = address.to_ipv4_mapped() {
        return is_public_v4(ipv4);
    }
    let segments = address.segments();
    let [.., a, b, c, d] = address.octets();
    let last_is_public = is_public_v4(Ipv4Addr::new(a, b, c, d));
    let isatap = segments[5] == 0x5efe && matches!(segments[4], 0 | 0x100 | 0x200 | 0x300);
    if isatap && !last_is_public {
        return false;
    }
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => last_is_public,
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] => false,
        [0x2620, 0x4f, 0x8000, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    // Half of them near the networks that matter.
    let interesting = prop::sample::select(vec![
        0u32,
        0x0a00_0000,
        0x6440_0000,
        0x7f00_0000,
        0xa83f_8110,
        0xa9fe_a9fe,
        0xac10_0000,
        0xc000_0000,
        0xc000_0200,
        0xc01f_c400,
        0xc034_c100,
        0xc058_6300,
        0xc0a8_0000,
        0xc0af_3000,
        0xc612_0000,
        0xc633_6400,
        0xcb00_7100,
        0xe000_0000,
        0xf000_0000,
        0xffff_ffff,
    ]);
    let near = (interesting, 0u32..32, any::<u32>())
        .prop_map(|(base, bits, noise)| base ^ noise.checked_shr(bits).unwrap_or_default());
    prop_oneof![any::<u32>(), near].prop_map(Ipv4Addr::from)
}

fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    let prefix = prop::sample::select(vec![
        0u128,
        0xffff << 32,
        0xffff << 48,
        0x0064_ff9b << 96,
        0x0064_ff9b_0001 << 80,
        0x0100 << 112,
        0x2001 << 112,
        0x2001_0001 << 96,
        0x2001_0db8 << 96,
        0x2001_0200 << 96,
        0x2002 << 112,
        0x2606_4700 << 96,
        0x2606_4700 << 96 | 0x5efe << 32,
        0x2620_004f_8000 << 80,
        0x3fff << 112,
        0x5f00 << 112,
        0xfc00 << 112,
        0xfe80 << 112,
        0xfec0 << 112,
        0xff00 << 112,
    ]);
    let embedding = (
        prefix,
        ipv4(),
        prop::sample::select(vec![0u32, 32, 64, 80, 96]),
    )
        .prop_map(|(prefix, ipv4, shift)| prefix | u128::from(ipv4.to_bits()) << shift);
    prop_oneof![any::<u128>(), embedding].prop_map(Ipv6Addr::from)
}

/// One address, in one of the spellings that URL parsers accept.
fn spelled(address: Ipv4Addr, how: u8) -> String {
    let [a, b, c, d] = address.octets();
    let bits = address.to_bits();
    match how {
        0 => address.to_string(),
        1 => bits.to_string(),
        2 => format!("{bits:#x}"),
        3 => format!("0{bits:o}"),
        4 => format!("{a}.{}", bits & 0xff_ffff),
        5 => format!("{a}.{b}.{}", bits & 0xffff),
        6 => format!("{a:#x}.0{b:o}.{c}.{d:#X}"),
        7 => format!("{address}."),
        8 => format!("[::ffff:{address}]"),
        9 => format!(
            "%{:02x}{}",
            b'0' + a / 100,
            &format!("{a:03}.{b}.{c}.{d}")[1..]
        ),
        _ => {
            let wide = |digit: char| match digit.to_digit(10) {
                Some(value) => char::from_u32(0xff10 + value).unwrap(),
                None => '。',
            };
            address.to_string().chars().map(wide).collect()
        }
    }
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        (ipv4(), 0u8..11).prop_map(|(address, how)| spelled(address, how)),
        ipv6().prop_map(|address| format!("[{address}]")),
        "[a-z0-9.%\\-_]{0,20}",
        "\\PC{0,12}",
        Just("localhost".to_owned()),
    ]
}

/// Pieces of URLs in the right order, more or less.
fn url_text() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec![
        "http://",
        "https://",
        "http:",
        "http:/",
        "http:\\\\",
        "HTTP://",
        "ht\ttp://",
        "ftp://",
        "",
    ]);
    let userinfo = prop_oneof![
        4 => Just(String::new()),
        1 => "[a-z:%@\\\\/]{0,6}@",
        1 => Just("user:password@".to_owned()),
    ];
    let port = prop_oneof![3 => Just(String::new()), 1 => ":[0-9]{0,6}"];
    let path = prop_oneof![1 => Just("/".to_owned()), 1 => "[/?#@\\\\\\PC]{0,8}"];
    (scheme, userinfo, host(), port, path).prop_map(|(scheme, userinfo, host, port, path)| {
        format!("{scheme}{userinfo}{host}{port}{path}")
    })
}

fn check_url(text: &str) {
    let policy = AddressPolicy::default();
    let Ok(url) = policy.parse(text) else {
        return;
    };
    match url.host() {
        Some(Host::Ipv4(address)) => assert!(is_public_v4(address), "{text:?} passed as {url}"),
        Some(Host::Ipv6(address)) => assert!(is_public_v6(address), "{text:?} passed as {url}"),
        Some(Host::Domain(name)) => {
            let bare = name.trim_end_matches('.');
            assert!(
                bare != "localhost" && !bare.ends_with(".localhost"),
                "{text:?}"
            );
            assert!(name.parse::<IpAddr>().is_err(), "{text:?} passed as {url}");
        }
        None => panic!("{text:?} passed as {url}"),
    }
    // What was stored is what will be sent to.
    assert_eq!(policy.parse(url.as_str()).as_ref(), Ok(&url));
    // Neither credentials nor the lack of them change where it goes.
    let (bare, credentials) = split_credentials(&url);
    assert_eq!(bare.host(), url.host());
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    assert_eq!(credentials.is_some(), has_credentials);
    let shown = Url::parse(&hide_credentials(&url)).unwrap();
    assert_eq!((shown.host(), shown.password()), (url.host(), None));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_guard_and_the_oracle_agree_on_every_ipv4_address(address in ipv4()) {
        let judged = AddressPolicy::default().judge_ip(address.into());
        prop_assert_eq!(judged.is_ok(), is_public_v4(address), "{}: {:?}", address, judged);
    }

    #[test]
    fn the_guard_and_the_oracle_agree_on_every_ipv6_address(address in ipv6()) {
        let judged = AddressPolicy::default().judge_ip(address.into());
        prop_assert_eq!(judged.is_ok(), is_public_v6(address), "{}: {:?}", address, judged);
    }

    #[test]
    fn no_url_leads_to_a_forbidden_address(text in url_text()) {
        check_url(&text);
    }

    #[test]
    fn no_text_makes_the_judge_panic(text in any::<String>()) {
        check_url(&text);
    }
}
