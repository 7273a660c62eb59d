//! What a secret accepts, refuses and never shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use webhooks_core::{Secret, SecretError, SecretKind, SharedSecret};

fn whsec(bytes: usize) -> String {
    format!("whsec_{}", STANDARD.encode(vec![7_u8; bytes]))
}

#[test]
fn a_generated_secret_is_32_fresh_bytes_and_reads_back() {
    let (first, second) = (Secret::generate(), Secret::generate());
    assert_ne!(first, second);
    assert_eq!(first.kind(), SecretKind::Symmetric);
    assert!(first.can_sign());
    assert_eq!(first.public_half(), None);
    let text = first.expose();
    let encoded = text.strip_prefix("whsec_").unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap().len(), 32);
    assert_eq!(text.parse::<Secret>().unwrap(), first);
}

#[test]
fn a_generated_ed25519_secret_holds_both_halves_and_gives_away_the_public_one() {
    let signing = Secret::generate_ed25519();
    assert_eq!(signing.kind(), SecretKind::Signing);
    let text = signing.expose();
    let pair = STANDARD
        .decode(text.strip_prefix("whsk_").unwrap())
        .unwrap();
    assert_eq!(pair.len(), 64);
    assert_eq!(Secret::parse(&text).unwrap(), signing);

    let public = signing.public_half().unwrap();
    assert_eq!(public.kind(), SecretKind::Verifying);
    assert!(!public.can_sign());
    assert_eq!(
        public.expose(),
        format!("whpk_{}", STANDARD.encode(&pair[32..]))
    );
    assert_eq!(Secret::parse(&public.expose()).unwrap(), public);
    assert_eq!(public.public_half().unwrap(), public);
    assert_ne!(public, signing);
}

#[test]
fn lengths_are_accepted_from_24_to_64_bytes() {
    for bytes in [24, 25, 32, 63, 64] {
        assert_eq!(Secret::parse(&whsec(bytes)).unwrap().expose(), whsec(bytes));
    }
    for bytes in [0, 1, 23] {
        assert_eq!(
            Secret::parse(&whsec(bytes)).unwrap_err(),
            SecretError::TooShort {
                prefix: "whsec_",
                bytes,
                limit: 24
            }
        );
    }
    for bytes in [65, 66, 67, 1_000_000] {
        let error = Secret::parse(&whsec(bytes)).unwrap_err();
        assert!(
            matches!(
                error,
                SecretError::TooLong {
                    prefix: "whsec_",
                    limit: 64,
                    ..
                }
            ),
            "{bytes}: {error}"
        );
    }
    assert_eq!(
        Secret::parse(&whsec(23)).unwrap_err().to_string(),
        "the `whsec_` secret is 23 bytes; it needs at least 24"
    );
    assert_eq!(
        Secret::parse(&whsec(65)).unwrap_err().to_string(),
        "the `whsec_` secret is 65 bytes; the limit is 64"
    );
}

#[test]
fn malformed_secrets_are_refused_with_the_rule_they_break() {
    let good = whsec(32);
    let unpadded = good.trim_end_matches('=').to_owned();
    let pair = |bytes: &[u8]| format!("whsk_{}", STANDARD.encode(bytes));
    let public = |bytes: &[u8]| format!("whpk_{}", STANDARD.encode(bytes));
    let mut halves = [0_u8; 64];
    halves[..32].fill(9);
    // The neutral element: of order one, so every signature that fits it fits any body.
    let mut neutral = [0_u8; 32];
    neutral[0] = 1;
    // y = 2 has no x on the curve.
    let mut off_curve = [0_u8; 32];
    off_curve[0] = 2;

    let cases: Vec<(String, SecretError)> = vec![
        (String::new(), SecretError::Empty),
        (" \t\n".to_owned(), SecretError::Empty),
        (format!("{good}\n"), SecretError::SurroundingSpace),
        (format!(" {good}"), SecretError::SurroundingSpace),
        ("hunter2".to_owned(), SecretError::UnknownPrefix),
        ("WHSEC_AAAA".to_owned(), SecretError::UnknownPrefix),
        (unpadded, SecretError::NotBase64 { prefix: "whsec_" }),
        (
            "whsec_not base64 at all, honestly".to_owned(),
            SecretError::NotBase64 { prefix: "whsec_" },
        ),
        (
            "whsec_ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ".to_owned(),
            SecretError::NotBase64 { prefix: "whsec_" },
        ),
        (
            "whsec_".to_owned(),
            SecretError::TooShort {
                prefix: "whsec_",
                bytes: 0,
                limit: 24,
            },
        ),
        (
            pair(&[1; 32]),
            SecretError::TooShort {
                prefix: "whsk_",
                bytes: 32,
                limit: 64,
            },
        ),
        (
            pair(&[1; 65]),
            SecretError::TooLong {
                prefix: "whsk_",
                bytes: 65,
                limit: 64,
            },
        ),
        (pair(&halves), SecretError::HalvesDiffer),
        (
            public(&[1; 31]),
            SecretError::TooShort {
                prefix: "whpk_",
                bytes: 31,
                limit: 32,
            },
        ),
        (
            public(&[1; 33]),
            SecretError::TooLong {
                prefix: "whpk_",
                bytes: 33,
                limit: 32,
            },
        ),
        (public(&neutral), SecretError::WeakKey),
        (public(&[0; 32]), SecretError::WeakKey),
        (public(&off_curve), SecretError::NotOnCurve),
    ];
    for (text, expected) in cases {
        let error = Secret::parse(&text).unwrap_err();
        assert_eq!(error, expected, "{text:?}");
        let shown = format!("{error} {error:?}");
        let value = text.trim().get(6..).unwrap_or_default();
        assert!(
            value.len() < 4 || !shown.contains(value),
            "{shown} repeats {value}"
        );
    }
}

#[test]
fn nothing_prints_a_secret() {
    for secret in [Secret::generate(), Secret::generate_ed25519()] {
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret(..) Secret(..)");
    }
    let shared = SharedSecret::parse("hunter2").unwrap();
    assert_eq!(format!("{shared:?}"), "SharedSecret(..)");
    assert_eq!(shared.expose(), "hunter2");
}

#[test]
fn a_shared_secret_is_any_string_but_an_empty_or_endless_one() {
    assert_eq!(SharedSecret::parse("").unwrap_err(), SecretError::Empty);
    assert_eq!(SharedSecret::parse("  ").unwrap_err(), SecretError::Empty);
    assert_eq!(
        SharedSecret::parse("token\n").unwrap_err(),
        SecretError::SurroundingSpace
    );
    assert_eq!(
        SharedSecret::parse(&"x".repeat(1025)).unwrap_err(),
        SecretError::SharedTooLong {
            bytes: 1025,
            limit: 1024
        }
    );
    let inner_space = SharedSecret::parse("It's a Secret to Everybody").unwrap();
    assert_eq!(inner_space, inner_space.clone());
    assert_ne!(
        inner_space,
        SharedSecret::parse("It's a secret to everybody").unwrap()
    );
    assert!(SharedSecret::parse(&"x".repeat(1024)).is_ok());
}
