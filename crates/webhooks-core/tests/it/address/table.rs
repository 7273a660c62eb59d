//! More than a hundred URLs and names that lead somewhere they must not.

use std::collections::HashSet;

use webhooks_core::{AddressPolicy, AddressRefusal};

use crate::{
    address::{
        sender::{Names, Outcome, Sender},
        sentinel::{NO_CONTENT, Sentinel},
    },
    each_store::Store,
};

/// URLs, with the sentinel's port for `{port}`, and the network or rule that refuses them.
const URLS: &[(&str, &str)] = &[
    // 127.0.0.1 in every spelling that some resolver or parser understands.
    ("http://127.0.0.1:{port}/", "127.0.0.0/8"),
    ("https://127.0.0.1:{port}/", "127.0.0.0/8"),
    ("HTTP://127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://127.0.0.1.:{port}/", "127.0.0.0/8"),
    ("http://127.1:{port}/", "127.0.0.0/8"),
    ("http://127.0.1:{port}/", "127.0.0.0/8"),
    ("http://127.0.0.2:{port}/", "127.0.0.0/8"),
    ("http://127.255.255.254:{port}/", "127.0.0.0/8"),
    ("http://2130706433:{port}/", "127.0.0.0/8"),
    ("http://0x7f000001:{port}/", "127.0.0.0/8"),
    ("http://0X7F.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://0x7f.1:{port}/", "127.0.0.0/8"),
    ("http://0x000000007f.0x0.0x0.0x1:{port}/", "127.0.0.0/8"),
    ("http://0177.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://0177.0.0.01:{port}/", "127.0.0.0/8"),
    ("http://00000177.00.00.01:{port}/", "127.0.0.0/8"),
    ("http://017700000001:{port}/", "127.0.0.0/8"),
    ("http://0177.0x0.1:{port}/", "127.0.0.0/8"),
    ("http://127.000.000.001:{port}/", "127.0.0.0/8"),
    ("http://１２７.０.０.１:{port}/", "127.0.0.0/8"),
    ("http://①②⑦.⓪.⓪.①:{port}/", "127.0.0.0/8"),
    ("http://127。0。0。1:{port}/", "127.0.0.0/8"),
    ("http://127｡0．0.1:{port}/", "127.0.0.0/8"),
    ("http://127.0.0.\u{ad}1:{port}/", "127.0.0.0/8"),
    ("http://%31%32%37.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://127%2e0%2E0%2e1:{port}/", "127.0.0.0/8"),
    (
        "http://%ef%bc%91%ef%bc%92%ef%bc%97.0.0.1:{port}/",
        "127.0.0.0/8",
    ),
    // Written around the parser.
    (" \u{1}http://127.0.0.1:{port}/ ", "127.0.0.0/8"),
    ("ht\ntp://127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://127.0\t.0\r\n.1:{port}/", "127.0.0.0/8"),
    ("http:127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http:/127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http:////127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http:\\\\127.0.0.1:{port}\\", "127.0.0.0/8"),
    ("http://127.0.0.1:{port}\\@acme.example/", "127.0.0.0/8"),
    ("http://127.0.0.1:{port}#@acme.example/", "127.0.0.0/8"),
    ("http://127.0.0.1:{port}?@acme.example/", "127.0.0.0/8"),
    ("http://user:password@127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://acme.example:80@127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://acme.example:80%2f@127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://a:b@c:d@127.0.0.1:{port}/", "127.0.0.0/8"),
    // localhost, which needs no resolver.
    (
        "http://localhost:{port}/",
        "localhost resolves to 127.0.0.1",
    ),
    (
        "http://LocalHost:{port}/",
        "localhost resolves to 127.0.0.1",
    ),
    ("http://localhost.:{port}/", "127.0.0.0/8"),
    (
        "http://hooks.localhost:{port}/",
        "hooks.localhost resolves to",
    ),
    ("http://acme.example.localhost.:{port}/", "127.0.0.0/8"),
    ("http://l%6fcalhost:{port}/", "127.0.0.0/8"),
    ("http://ｌｏｃａｌｈｏｓｔ:{port}/", "127.0.0.0/8"),
    ("http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/", "127.0.0.0/8"),
    ("http://local\u{200b}host:{port}/", "127.0.0.0/8"),
    // The other networks of IPv4.
    ("http://0:{port}/", "0.0.0.0/32"),
    ("http://0.0.0.0:{port}/", "0.0.0.0/32"),
    ("http://0x0:{port}/", "0.0.0.0/32"),
    ("http://0.1.2.3:{port}/", "0.0.0.0/8"),
    ("http://10.0.0.1:{port}/", "10.0.0.0/8"),
    ("http://167772161:{port}/", "10.0.0.0/8"),
    ("http://012.1:{port}/", "10.0.0.0/8"),
    ("http://10.255.255.255:{port}/", "10.0.0.0/8"),
    ("http://100.64.0.1:{port}/", "100.64.0.0/10"),
    ("http://100.100.100.200:{port}/", "100.64.0.0/10"),
    ("http://100.127.255.255:{port}/", "100.64.0.0/10"),
    ("http://168.63.129.16:{port}/", "168.63.129.16/32"),
    ("http://169.254.169.254/latest/meta-data/", "169.254.0.0/16"),
    ("http://2852039166/latest/meta-data/", "169.254.0.0/16"),
    ("http://0xa9fea9fe/latest/meta-data/", "169.254.0.0/16"),
    (
        "http://0251.0376.0251.0376/latest/meta-data/",
        "169.254.0.0/16",
    ),
    ("http://169.254.43518/latest/meta-data/", "169.254.0.0/16"),
    ("http://172.16.0.1:{port}/", "172.16.0.0/12"),
    ("http://172.31.255.255:{port}/", "172.16.0.0/12"),
    ("http://192.0.0.1:{port}/", "192.0.0.0/29"),
    ("http://192.0.0.192:{port}/", "192.0.0.0/24"),
    ("http://192.0.0.171:{port}/", "192.0.0.171/32"),
    ("http://192.0.2.1:{port}/", "192.0.2.0/24"),
    ("http://192.31.196.1:{port}/", "192.31.196.0/24"),
    ("http://192.52.193.1:{port}/", "192.52.193.0/24"),
    ("http://192.88.99.1:{port}/", "192.88.99.0/24"),
    ("http://192.88.99.2:{port}/", "192.88.99.2/32"),
    ("http://192.168.1.1:{port}/", "192.168.0.0/16"),
    ("http://3232235777:{port}/", "192.168.0.0/16"),
    ("http://192.175.48.1:{port}/", "192.175.48.0/24"),
    ("http://198.18.0.1:{port}/", "198.18.0.0/15"),
    ("http://198.19.255.255:{port}/", "198.18.0.0/15"),
    ("http://198.51.100.1:{port}/", "198.51.100.0/24"),
    ("http://203.0.113.1:{port}/", "203.0.113.0/24"),
    ("http://224.0.0.1:{port}/", "224.0.0.0/4"),
    ("http://239.255.255.250:{port}/", "224.0.0.0/4"),
    ("http://240.0.0.1:{port}/", "240.0.0.0/4"),
    ("http://255.255.255.255:{port}/", "255.255.255.255/32"),
    ("http://4294967295:{port}/", "255.255.255.255/32"),
    // IPv6 and its networks.
    ("http://[::1]:{port}/", "::1/128"),
    ("http://[0:0:0:0:0:0:0:1]:{port}/", "::1/128"),
    ("http://[0000::0001]:{port}/", "::1/128"),
    ("http://[::0.0.0.1]:{port}/", "::1/128"),
    ("http://[::]:{port}/", "::/128"),
    ("http://[100::1]:{port}/", "100::/64"),
    ("http://[100:0:0:1::1]:{port}/", "100:0:0:1::/64"),
    ("http://[1000::1]:{port}/", "::/3"),
    ("http://[2001:1::1]:{port}/", "2001:1::1/128"),
    ("http://[2001:1::2]:{port}/", "2001:1::2/128"),
    ("http://[2001:1::3]:{port}/", "2001:1::3/128"),
    ("http://[2001:2::1]:{port}/", "2001:2::/48"),
    ("http://[2001:3::1]:{port}/", "2001:3::/32"),
    ("http://[2001:4:112::1]:{port}/", "2001:4:112::/48"),
    ("http://[2001:10::1]:{port}/", "2001:10::/28"),
    ("http://[2001:2f::1]:{port}/", "2001:20::/28"),
    ("http://[2001:30::1]:{port}/", "2001:30::/28"),
    ("http://[2001:1ff::1]:{port}/", "2001::/23"),
    ("http://[2001:db8::1]:{port}/", "2001:db8::/32"),
    ("http://[2620:4f:8000::1]:{port}/", "2620:4f:8000::/48"),
    ("http://[3fff:fff::1]:{port}/", "3fff::/20"),
    ("http://[4000::1]:{port}/", "4000::/2"),
    ("http://[5f00::1]:{port}/", "5f00::/16"),
    ("http://[8000::1]:{port}/", "8000::/1"),
    ("http://[fc00::1]:{port}/", "fc00::/7"),
    ("http://[fd00:ec2::254]/latest/meta-data/", "fc00::/7"),
    ("http://[fe80::1]:{port}/", "fe80::/10"),
    ("http://[fec0::1]:{port}/", "fec0::/10"),
    ("http://[ff02::1]:{port}/", "ff00::/8"),
    // IPv4 inside IPv6.
    (
        "http://[::ffff:127.0.0.1]:{port}/",
        "that is 127.0.0.1, IPv4-mapped",
    ),
    ("http://[::ffff:7f00:1]:{port}/", "127.0.0.0/8"),
    ("http://[0:0:0:0:0:FFFF:7F00:0001]:{port}/", "127.0.0.0/8"),
    ("http://[::ffff:10.0.0.1]:{port}/", "10.0.0.0/8"),
    ("http://[::ffff:169.254.169.254]/", "169.254.0.0/16"),
    ("http://[::127.0.0.1]:{port}/", "::/96"),
    ("http://[::8.8.8.8]:{port}/", "::/96"),
    ("http://[::ffff:0:127.0.0.1]:{port}/", "::ffff:0:0:0/96"),
    (
        "http://[64:ff9b::127.0.0.1]:{port}/",
        "that is 127.0.0.1, NAT64",
    ),
    ("http://[64:ff9b::10.0.0.1]:{port}/", "10.0.0.0/8"),
    ("http://[64:ff9b::a9fe:a9fe]/", "169.254.0.0/16"),
    ("http://[64:ff9b:1::127.0.0.1]:{port}/", "64:ff9b:1::/48"),
    ("http://[64:ff9b:1:7f00:0:100::]:{port}/", "64:ff9b:1::/48"),
    ("http://[2002:7f00:1::]:{port}/", "2002::/16"),
    ("http://[2002:808:808::1]:{port}/", "2002::/16"),
    ("http://[2001:0:7f00:1::1]:{port}/", "2001::/32"),
    (
        "http://[2001:0:808:808:8000:ffff:80ff:fffe]:{port}/",
        "2001::/32",
    ),
    ("http://[fe80::5efe:127.0.0.1]:{port}/", "fe80::/10"),
    (
        "http://[2606:4700::5efe:127.0.0.1]:{port}/",
        "that is 127.0.0.1, ISATAP",
    ),
    (
        "http://[2606:4700::200:5efe:192.168.0.1]:{port}/",
        "192.168.0.0/16",
    ),
    // What is no URL, or none for webhooks.
    ("", "not a URL"),
    ("127.0.0.1", "not a URL"),
    ("//127.0.0.1:{port}/", "not a URL"),
    ("http://", "not a URL"),
    ("http://:{port}/", "not a URL"),
    ("http://[::1:{port}/", "not a URL"),
    ("http://[fe80::1%25lo]:{port}/", "not a URL"),
    ("http://[::1%lo]:{port}/", "not a URL"),
    ("http://[::ffff:127.0.0.1.1]:{port}/", "not a URL"),
    ("http://127.0.0.256:{port}/", "not a URL"),
    ("http://1.2.3.4.5:{port}/", "not a URL"),
    ("http://0x100000000:{port}/", "not a URL"),
    ("http://127.0.0.1:65536/", "not a URL"),
    ("http://127.0.0.1%00.acme.example:{port}/", "not a URL"),
    ("http://127.0.0.1%0d%0ahost:{port}/", "not a URL"),
    ("http://127.0.0.1 .acme.example/", "not a URL"),
    ("127.0.0.1:{port}/", "not a URL"),
    ("localhost:{port}/", "scheme \"localhost\""),
    ("ftp://127.0.0.1:{port}/", "scheme \"ftp\""),
    ("file:///etc/passwd", "scheme \"file\""),
    ("gopher://127.0.0.1:{port}/_x", "scheme \"gopher\""),
    ("ws://127.0.0.1:{port}/", "scheme \"ws\""),
    ("javascript:alert(1)", "scheme \"javascript\""),
    ("data:text/plain,x", "scheme \"data\""),
    ("unix:/run/docker.sock", "scheme \"unix\""),
    // User-info that is no basic auth.
    ("http://acme.example@127.0.0.1:{port}/", "127.0.0.0/8"),
    ("http://127.0.0.1:@loopback.example:{port}/", "127.0.0.0/8"),
    ("http://:{port}@loopback.example:{port}/", "127.0.0.0/8"),
    (
        "http://a%0d%0a:b@loopback.example:{port}/",
        "control character",
    ),
    (
        "http://a%3Ab:c@loopback.example:{port}/",
        "colon in the user",
    ),
    // Ports that are no web server's.
    ("https://acme.example:0/", "port 0"),
    ("https://acme.example:22/", "port 22"),
    ("http://acme.example:25/", "port 25"),
    ("http://acme.example:1023/", "port 1023"),
    ("http://acme.example:2375/", "Docker"),
    ("http://acme.example:5432/", "PostgreSQL"),
    ("http://acme.example:6379/", "Redis"),
    ("http://8.8.8.8:11211/", "memcached"),
    ("http://[2606:4700::1111]:9200/", "Elasticsearch"),
];

/// Names that pass the judging of URLs, what they resolve to, and the network that refuses them.
const NAMES: &[(&str, &[&str], &str)] = &[
    ("loopback.example", &["127.0.0.1"], "127.0.0.0/8"),
    ("loopback6.example", &["::1"], "::1/128"),
    ("both.example", &["::1", "127.0.0.1"], "::1/128"),
    ("zero.example", &["0.0.0.0"], "0.0.0.0/32"),
    ("zero6.example", &["::"], "::/128"),
    ("first.example", &["127.0.0.1", "8.8.8.8"], "127.0.0.0/8"),
    (
        "last.example",
        &["8.8.8.8", "8.8.4.4", "127.0.0.1"],
        "127.0.0.0/8",
    ),
    (
        "mixed.example",
        &["2606:4700::1111", "127.0.0.1"],
        "127.0.0.0/8",
    ),
    ("mapped.example", &["::ffff:127.0.0.1"], "127.0.0.0/8"),
    ("compatible.example", &["::127.0.0.1"], "::/96"),
    (
        "translated.example",
        &["::ffff:0:127.0.0.1"],
        "::ffff:0:0:0/96",
    ),
    ("nat64.example", &["64:ff9b::127.0.0.1"], "127.0.0.0/8"),
    (
        "nat64-local.example",
        &["64:ff9b:1::127.0.0.1"],
        "64:ff9b:1::/48",
    ),
    ("6to4.example", &["2002:7f00:1::1"], "2002::/16"),
    (
        "teredo.example",
        &["2001:0:808:808:8000:ffff:80ff:fffe"],
        "2001::/32",
    ),
    (
        "isatap.example",
        &["2606:4700::5efe:127.0.0.1"],
        "127.0.0.0/8",
    ),
    ("private.example", &["10.1.2.3"], "10.0.0.0/8"),
    ("unique-local.example", &["fd12::1"], "fc00::/7"),
    (
        "metadata.google.internal",
        &["169.254.169.254"],
        "169.254.0.0/16",
    ),
    ("127.0.0.1.nip.example", &["127.0.0.1"], "127.0.0.0/8"),
    ("localhost.example", &["127.0.0.1"], "127.0.0.0/8"),
    ("xn--mller-kva.example", &["127.0.0.1"], "127.0.0.0/8"),
    ("intranet", &["192.168.0.10"], "192.168.0.0/16"),
    ("printer.local", &["169.254.3.4"], "169.254.0.0/16"),
];

/// The same names, hidden behind spellings and look-alikes.
const DISGUISED_NAMES: &[&str] = &[
    "http://LOOPBACK.example:{port}/",
    "http://loopback.example.:{port}/",
    "http://loop%62ack.example:{port}/",
    "http://ｌｏｏｐｂａｃｋ.example:{port}/",
    "http://loopback。example:{port}/",
    "http://müller.example:{port}/",
    "http://user:password@loopback.example:{port}/",
    "http://127.0.0.1:{port}@loopback.example:{port}/",
    "http://8.8.8.8:80@loopback.example:{port}/",
    "http://loopback.example:{port}\\@8.8.8.8/",
    "http:\\loopback.example:{port}",
];

fn names() -> std::sync::Arc<Names> {
    let pairs: Vec<_> = NAMES.iter().map(|(name, to, _)| (*name, *to)).collect();
    Names::new(&pairs)
}

async fn no_forbidden_url_or_name_is_ever_dialled(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let sender = Sender::on(store, AddressPolicy::default(), names()).await;
    let port = sentinel.port.to_string();
    let mut seen = HashSet::new();
    let mut wrong = Vec::new();
    let mut rows: Vec<(String, &str)> = URLS
        .iter()
        .map(|(url, rule)| (url.replace("{port}", &port), *rule))
        .collect();
    for (name, _, rule) in NAMES {
        rows.push((format!("http://{name}:{port}/"), *rule));
        rows.push((format!("https://{name}:{port}/hooks"), *rule));
    }
    for url in DISGUISED_NAMES {
        rows.push((url.replace("{port}", &port), "127.0.0.0/8"));
    }
    for (url, rule) in &rows {
        assert!(seen.insert(url), "{url} is in the table twice");
        match sender.attempt(url).await {
            Outcome::Refused(refusal) if refusal.contains(rule) => {}
            outcome => wrong.push(format!("{url:?} expected {rule:?}, got {outcome:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() > 200, "{}", rows.len());
    assert_eq!(sentinel.visits(), 0);
}

/// The control: the same table reaches the sentinel once its networks are allowed, so the zero
/// above is the guard's doing.
async fn the_same_urls_reach_the_sentinel_once_allowed(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let policy = AddressPolicy::default()
        .allow_networks(["127.0.0.1", "::1/128"])
        .unwrap();
    let sender = Sender::on(store, policy, names()).await;
    let port = sentinel.port.to_string();
    let mut reached = 0;
    let urls = URLS.iter().filter(|(_, rule)| *rule == "127.0.0.0/8");
    let urls = urls
        .map(|(url, _)| *url)
        .chain(DISGUISED_NAMES.iter().copied());
    for url in urls.filter(|url| !url.starts_with("https")) {
        match sender.attempt(&url.replace("{port}", &port)).await {
            Outcome::Answered(204) => reached += 1,
            // Other addresses of the loopback network stay refused, and *.localhost is not among
            // the names of this test.
            Outcome::Refused(refusal) if refusal.contains("allow_networks") => {}
            Outcome::Failed(_) => {}
            outcome => panic!("{url:?}: {outcome:?}"),
        }
    }
    assert!(reached > 40, "{reached}");
    assert_eq!(sentinel.visits(), reached);
}

#[test]
fn ordinary_urls_pass() {
    let policy = AddressPolicy::default();
    for url in [
        "https://acme.example/hooks",
        "http://acme.example",
        "https://acme.example:8443/hooks?a=b#c",
        "https://user:p%40ss@acme.example/hooks",
        "https://xn--mller-kva.example/",
        "https://localhost.acme.example/",
        "https://mylocalhost/",
        "https://8.8.8.8/",
        "https://9.255.255.255:3000/",
        "https://11.0.0.0/",
        "https://172.15.255.255/",
        "https://172.32.0.0/",
        "https://100.63.255.255/",
        "https://100.128.0.0/",
        "https://223.255.255.255/",
        "https://[2606:4700::1111]/",
        "https://[2001:200::1]/",
        "https://[2003::1]/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[2606:4700::5efe:8.8.8.8]/",
    ] {
        assert!(policy.parse(url).is_ok(), "{url}: {:?}", policy.parse(url));
    }
}

#[test]
fn the_settings_widen_and_narrow_what_passes() {
    let only = AddressPolicy::default().https_only(true);
    assert_eq!(
        only.parse("http://acme.example").unwrap_err(),
        AddressRefusal::NotEncrypted
    );
    assert!(only.parse("https://acme.example").is_ok());

    let local = AddressPolicy::default()
        .allow_networks(["127.0.0.0/8", "fd00::/8"])
        .unwrap();
    for url in [
        "http://127.0.0.1:6379/",
        "http://localhost:22/",
        "http://[::ffff:127.0.0.1]:9000/",
        "http://[fd00::1]/",
    ] {
        assert!(local.parse(url).is_ok(), "{url}: {:?}", local.parse(url));
    }
    for url in [
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://acme.example:22/",
    ] {
        assert!(local.parse(url).is_err(), "{url}");
    }

    let ports = AddressPolicy::default().allow_ports([444, 6379]);
    assert!(ports.parse("https://acme.example:444/").is_ok());
    assert!(ports.parse("https://acme.example:6379/").is_ok());
    assert!(ports.parse("https://acme.example:445/").is_err());
}

#[test]
fn allowing_a_tunnel_does_not_allow_what_it_leads_to() {
    let policy = AddressPolicy::default()
        .allow_networks(["2000::/3", "::/3", "fe80::/10"])
        .unwrap();
    for address in [
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::127.0.0.1",
        "64:ff9b:1:7f00:0:100::",
        "64:ff9b:1:ab7f:0:1::",
        "64:ff9b:1:abcd:7f:0:100:0",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "2001:0:808:808:8000:ffff:80ff:fffe",
        "fe80::5efe:127.0.0.1",
    ] {
        let refusal = policy.judge_ip(address.parse().unwrap()).unwrap_err();
        assert!(
            format!("{refusal:?}").contains("127.0.0.0/8"),
            "{refusal:?}"
        );
    }
    assert!(policy.judge_ip("2002:808:808::1".parse().unwrap()).is_ok());
}

#[test]
fn every_wrong_network_is_named_at_once() {
    let error = AddressPolicy::default()
        .allow_networks(["10.0.0.0/8", "10.0.0.5/8", "ten", "::ffff:10.0.0.0/104"])
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "allow_networks: \"10.0.0.5/8\" is an address inside a network; write 10.0.0.0/8 or \
         10.0.0.5; \"ten\" is not a network; write it like 10.0.0.0/8 or fd00::/8; \
         \"::ffff:10.0.0.0/104\" is IPv4 written as IPv6; write the IPv4 network"
    );
}

#[test]
fn a_url_has_a_length_limit() {
    let long = format!("https://acme.example/{}", "a".repeat(2048));
    let refusal = AddressPolicy::default().parse(&long).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the URL is 2069 bytes; the limit is 2048"
    );
}

for_each_store!(
    no_forbidden_url_or_name_is_ever_dialled,
    the_same_urls_reach_the_sentinel_once_allowed
);
