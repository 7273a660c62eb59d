//! polis and webhooks-core's `receive` on the same requests: every provider, kind of body, thing
//! that is signed and spelling of the headers. They never disagree, and accept only genuine requests.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use jiff::Timestamp;
use polis::{Head, Preset, SigningSecret, ToSign, Verdict, diagnose, sign};
use sha2::{Digest, Sha256};
use webhooks_core::{
    Secret,
    receive::Verifier,
    scheme::{Algorithm, Encoding, Form, Part},
};

use crate::diagnosis::{now, verification};

const URL: &str = "https://example.com/hooks?a=1";
const JSON: &[u8] = br#"{"a":1,"webhookTimestamp":1700000000000}"#;

type Headers = Vec<(String, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signed {
    Rightly,
    /// As on any GET: the URL alone, or nothing at all.
    WithoutBody,
    AnotherBody,
    ByAnotherSecret,
    TooLongAgo,
    InTheFuture,
}

const SIGNED: [Signed; 6] = [
    Signed::Rightly,
    Signed::WithoutBody,
    Signed::AnotherBody,
    Signed::ByAnotherSecret,
    Signed::TooLongAgo,
    Signed::InTheFuture,
];

/// The types that come with a body, and the body.
const BODIES: [(&[&str], &[u8]); 9] = [
    (&["application/json"], JSON),
    (&["application/x-www-form-urlencoded"], b"a=1&b=%C3%BC"),
    (
        &["Application/X-WWW-Form-Urlencoded; charset=utf-8"],
        b"a=1",
    ),
    (&["text/plain"], b"a=1"),
    (&["multipart/form-data; boundary=x"], b"--x--"),
    (&["application/x-www-form-urlencoded-not"], b"a=1"),
    (
        &["application/x-www-form-urlencoded", "application/json"],
        JSON,
    ),
    (&[], b"\x00\xff"),
    (&[], b""),
];

/// The two secrets of a provider: the accepted one, and another.
fn secrets(preset: Preset) -> [String; 2] {
    match preset {
        Preset::Standard => [Secret::generate().expose(), Secret::generate().expose()],
        Preset::Discord => [
            Secret::generate_ed25519().expose(),
            Secret::generate_ed25519().expose(),
        ],
        _ => ["a secret".to_owned(), "another".to_owned()],
    }
}

fn headers(preset: Preset, signed: Signed, [secret, other]: &[String; 2], at: usize) -> Headers {
    let (kinds, body) = BODIES[at];
    let secret = match signed {
        Signed::ByAnotherSecret => other,
        _ => secret,
    };
    let shift = match signed {
        Signed::TooLongAgo => -301,
        Signed::InTheFuture => 301,
        _ => 0,
    };
    let is_form = kinds.len() == 1 && webhooks_core::scheme::is_form(kinds[0]);
    let body: &[u8] = match signed {
        Signed::WithoutBody => b"",
        Signed::AnotherBody => b"a=2",
        // None of Twilio's signatures covers it.
        _ if preset == Preset::Twilio && !is_form => b"",
        _ => body,
    };
    let form = "application/x-www-form-urlencoded";
    let what = ToSign {
        id: "evt_1",
        at: Timestamp::from_second(now().as_second() + shift).unwrap(),
        url: URL,
        content_type: Some(form),
        body,
    };
    let secret = SigningSecret::new(secret, preset).unwrap();
    sign(preset, &secret, &what).unwrap()
}

/// Whether a request is genuine, by the rule and not by the code.
fn is_right(preset: Preset, signed: Signed, at: usize) -> bool {
    let scheme = preset.scheme();
    let (kinds, body) = BODIES[at];
    let is_form = kinds.len() == 1 && webhooks_core::scheme::is_form(kinds[0]);
    let is_covered = match preset {
        Preset::Twilio => body.is_empty() || is_form,
        Preset::Linear => body == JSON,
        _ => true,
    };
    is_covered
        && match signed {
            Signed::Rightly => true,
            Signed::WithoutBody => body.is_empty() || scheme.algorithm == Algorithm::Token,
            Signed::AnotherBody => scheme.algorithm == Algorithm::Token,
            Signed::ByAnotherSecret => false,
            Signed::TooLongAgo | Signed::InTheFuture => !scheme.signs(Part::Timestamp),
        }
}

/// The same headers in other spellings, and whether a verifier accepts them.
fn spellings(preset: Preset, headers: &Headers) -> Vec<(&'static str, bool, Headers)> {
    let scheme = preset.scheme();
    let name = scheme.signature_header();
    let value = &headers.iter().find(|(given, _)| given == name).unwrap().1;
    let with = |value: String| -> Headers {
        let other = headers.iter().filter(|(given, _)| given != name).cloned();
        other.chain([(name.to_owned(), value)]).collect()
    };
    let mut spellings = vec![
        ("as it is", true, headers.clone()),
        ("cut", false, with(value[..value.len() - 3].to_owned())),
        ("longer", false, with(format!("{value}a0"))),
        ("empty", false, with(String::new())),
        (
            "twice",
            false,
            [headers.clone(), with(value.clone())].concat(),
        ),
        ("not text", false, with(format!("{value}\u{e9}"))),
    ];
    if scheme.encoding == Encoding::Base64 {
        let bare = value.trim_end_matches('=');
        if bare != value {
            spellings.push(("without padding", false, with(bare.to_owned())));
        }
    }
    match scheme.form {
        Form::Bare => spellings.push(("prefixed", false, with(format!("v1={value}")))),
        Form::Prefixed(prefix) => {
            let bare = value.strip_prefix(prefix).unwrap();
            spellings.push(("without prefix", false, with(bare.to_owned())));
        }
        Form::Pairs {
            separator,
            timestamp,
            signature,
        } => {
            let (time, made) = value.split_once(separator).unwrap();
            let other = format!("{signature}={}", "0".repeat(64));
            let many = format!("{separator}{other}").repeat(40);
            spellings.extend([
                (
                    "with a space",
                    true,
                    with(format!("{time}{separator} {made}")),
                ),
                ("turned", true, with(format!("{made}{separator}{time}"))),
                (
                    "second",
                    true,
                    with(format!("{time}{separator}{other}{separator}{made}")),
                ),
                (
                    "two times",
                    false,
                    with(format!("{time}{separator}{value}")),
                ),
                (
                    "another time first",
                    false,
                    with(format!("{timestamp}=1{separator}{value}")),
                ),
                ("no time", false, with(made.to_owned())),
                (
                    "among too many",
                    false,
                    with(format!("{time}{many}{separator}{made}")),
                ),
            ]);
        }
        Form::Versions(_) => {
            let many = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= ".repeat(32);
            let bare = value.split_once(',').unwrap().1;
            spellings.extend([
                ("after one to come", true, with(format!("v2,xx {value}"))),
                ("after a broken one", true, with(format!("v1,xx {value}"))),
                ("with spaces", true, with(format!("  {value}  "))),
                ("of another version", false, with(format!("v2,{bare}"))),
                ("without version", false, with(bare.to_owned())),
                ("among too many", false, with(format!("{many}{value}"))),
            ]);
        }
    }
    spellings
}

fn head(headers: &Headers, kinds: &[&str]) -> Head {
    let mut raw = String::from("POST /hooks?a=1 HTTP/1.1\r\nHost: example.com\r\n");
    for (name, value) in headers {
        raw.push_str(&format!("{name}: {value}\r\n"));
    }
    for kind in kinds {
        raw.push_str(&format!("Content-Type: {kind}\r\n"));
    }
    Head::parse(Bytes::from(raw + "\r\n")).unwrap()
}

fn header_map(head: &Head) -> http::HeaderMap {
    head.headers()
        .map(|(name, value)| {
            (
                name.parse::<http::HeaderName>().unwrap(),
                http::HeaderValue::from_bytes(value).unwrap(),
            )
        })
        .collect()
}

#[test]
fn polis_and_receive_accept_the_same_requests_and_only_genuine_ones() {
    let at = UNIX_EPOCH + Duration::from_secs(now().as_second().unsigned_abs());
    let mut accepted = 0;
    for preset in Preset::all() {
        let secrets = secrets(preset);
        let verifier = Verifier::of(preset, [&secrets[0]])
            .unwrap()
            .clock(move || at);
        let verification = verification(preset, &[&secrets[0]]);
        for signed in SIGNED {
            for (index, (kinds, body)) in BODIES.iter().enumerate() {
                let headers = headers(preset, signed, &secrets, index);
                for (spelling, is_taken, headers) in spellings(preset, &headers) {
                    // One reason to refuse it is enough.
                    if signed != Signed::Rightly && !is_taken {
                        continue;
                    }
                    let case = format!("{preset} {signed:?} {kinds:?} {spelling}");
                    let head = head(&headers, kinds);
                    let told = diagnose(&verification, &[], &head, body, now());
                    let verified = verifier.verify_url(URL, &header_map(&head), body);
                    let expected = is_taken && is_right(preset, signed, index);
                    assert_eq!(verified.is_ok(), expected, "receive: {case} {verified:?}");
                    assert_eq!(
                        told.verdict == Verdict::Ok,
                        expected,
                        "polis: {case} {told:?}"
                    );
                    assert!(expected || !told.text.is_empty(), "{case} {told:?}");
                    accepted += usize::from(expected);
                }
            }
        }
    }
    assert!(accepted > 200, "{accepted}");
}

/// Bodies other than forms, whose hash is in the signed URL.
#[test]
fn polis_and_receive_take_the_same_hashes_of_bodies_in_twilios_url() {
    let secret = SigningSecret::new("a secret", Preset::Twilio).unwrap();
    let verifier = Verifier::of(Preset::Twilio, ["a secret"]).unwrap();
    let verification = verification(Preset::Twilio, &["a secret"]);
    let hash = |body: &[u8]| hex::encode(Sha256::digest(body));
    let mut accepted = 0;
    for (kinds, body) in BODIES {
        let right = hash(body);
        // Without a hash, only an empty body is covered.
        for (parameters, is_covered) in [
            (format!("bodySHA256={right}"), true),
            (format!("bodySHA256={right}&b=2"), true),
            (format!("bodySHA256={}", right.to_uppercase()), true),
            (format!("bodySHA256={}", hash(b"another")), false),
            (format!("bodySHA256={}", &right[1..]), false),
            ("bodySHA256=".to_owned(), false),
            (format!("bodysha256={right}"), body.is_empty()),
            ("b=2".to_owned(), body.is_empty()),
        ] {
            let target = format!("/hooks?a=1&{parameters}");
            let url = format!("https://example.com{target}");
            for is_signed in [true, false] {
                let what = ToSign {
                    id: "",
                    at: now(),
                    url: if is_signed { &url } else { URL },
                    content_type: None,
                    body: b"",
                };
                let (name, value) = sign(Preset::Twilio, &secret, &what).unwrap().remove(0);
                let mut raw =
                    format!("POST {target} HTTP/1.1\r\nHost: example.com\r\n{name}: {value}\r\n");
                for kind in kinds {
                    raw.push_str(&format!("Content-Type: {kind}\r\n"));
                }
                let head = Head::parse(Bytes::from(raw + "\r\n")).unwrap();
                let told = diagnose(&verification, &[], &head, body, now());
                let verified = verifier.verify_url(&url, &header_map(&head), body);
                let case = format!("{kinds:?} {parameters} {is_signed}");
                let is_taken = verified.is_ok();
                assert_eq!(
                    told.verdict == Verdict::Ok,
                    is_taken,
                    "{case} {told:?} {verified:?}"
                );
                let is_form = kinds.len() == 1 && webhooks_core::scheme::is_form(kinds[0]);
                // Fields of a form are signed themselves.
                if !is_form {
                    assert_eq!(is_taken, is_signed && is_covered, "{case} {verified:?}");
                }
                accepted += usize::from(is_taken);
            }
        }
    }
    assert!(accepted > 10, "{accepted}");
}

/// A verifier that is given the URL as text, and polis with the same public URL.
#[test]
fn polis_and_receive_take_the_same_spellings_of_twilios_url() {
    let secret = SigningSecret::new("a secret", Preset::Twilio).unwrap();
    for (configured, public_url, target, is_right) in [
        (
            "https://example.com/x?a='b'",
            "https://example.com",
            "/x?a=%27b%27",
            true,
        ),
        (
            "https://example.com:443/x",
            "https://example.com",
            "/x",
            true,
        ),
        (
            "https://example.com/x",
            "https://example.com:443/",
            "/x",
            true,
        ),
        ("https://Example.com/x", "https://Example.com", "/x", true),
        ("https://example.com", "https://example.com", "/", true),
        (
            "https://example.com/b/../x",
            "https://example.com",
            "/b/../x",
            true,
        ),
        (
            "https://example.com/gr\u{fc}n",
            "https://example.com",
            "/gr%C3%BCn",
            true,
        ),
        (
            "https://example.com/base/x",
            "https://example.com/base/",
            "/x",
            true,
        ),
        (
            "https://example.com/x?b=1&a=2",
            "https://example.com",
            "/x?a=2&b=1",
            false,
        ),
        (
            "https://example.com/x?a=1%26b=2",
            "https://example.com",
            "/x?a=1&b=2",
            false,
        ),
        ("http://example.com/x", "https://example.com", "/x", false),
        ("https://example.org/x", "https://example.com", "/x", false),
    ] {
        let what = ToSign {
            id: "",
            at: now(),
            url: configured,
            content_type: None,
            body: b"",
        };
        let (name, value) = sign(Preset::Twilio, &secret, &what).unwrap().remove(0);
        let raw = format!("GET {target} HTTP/1.1\r\nHost: internal\r\n{name}: {value}\r\n\r\n");
        let head = Head::parse(Bytes::from(raw)).unwrap();
        let mut verification = verification(Preset::Twilio, &["a secret"]);
        verification.public_url = Some(public_url.to_owned());
        let told = diagnose(&verification, &[], &head, b"", now());
        assert_eq!(
            told.verdict == Verdict::Ok,
            is_right,
            "polis: {configured} {told:?}"
        );
        let verifier = Verifier::of(Preset::Twilio, ["a secret"]).unwrap();
        let url = format!("{}{target}", public_url.trim_end_matches('/'));
        let verified = verifier.verify_url(&url, &header_map(&head), b"");
        assert_eq!(
            verified.is_ok(),
            is_right,
            "receive: {configured} {verified:?}"
        );
    }
}
