//! Signatures against published known answers.

use webhooks_core::signature::{LegacySignature, LegacySignatureError, sign};
use webhooks_core::{Secret, SecretError};

fn secret(text: &str) -> Secret {
    text.parse().unwrap()
}

#[test]
fn v1_matches_the_published_answers() {
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    assert_eq!(
        sign(
            &[secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")],
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            body
        ),
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
    );
    assert_eq!(
        sign(
            &[secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#
        ),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[test]
fn every_secret_signs_in_order_and_a_public_key_is_passed_over() {
    let symmetric = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let signing = Secret::generate_ed25519();
    let public = signing.public_half().unwrap();
    let one = |secret: &Secret| sign(std::slice::from_ref(secret), "evt_1", 1, b"\xff\xfe");

    let both = sign(
        &[symmetric.clone(), public, signing.clone()],
        "evt_1",
        1,
        b"\xff\xfe",
    );

    assert_eq!(both, format!("{} {}", one(&symmetric), one(&signing)));
    assert!(both.starts_with("v1,"));
    assert!(one(&signing).starts_with("v1a,"));
    assert_eq!(sign(&[], "evt_1", 1, b""), "");
}

/// Id, timestamp and body are those of a signature made by OpenSSL (through Node's `crypto`) for the seed
/// 0, 1, … 31; ed25519 is deterministic, so ours must be the same to the bit.
#[test]
fn v1a_matches_an_independent_implementation() {
    let signing = secret(
        "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==",
    );
    assert_eq!(
        sign(
            &[signing],
            "evt_ed25519",
            1_700_000_000,
            br#"{"id":"evt_ed25519","event":"random_number:generate","data":863}"#
        ),
        "v1a,itObmuDu/4KXm7InY0GutHgXZV3L2IhGGWthoTlaYxS/ZShT7jhg4bt0WpY8QbgJZPzycJZXZ7XBz9D42qEuAw=="
    );
}

fn headers(format: &str, secret: &str, timestamp_s: i64, body: &[u8]) -> Vec<(String, String)> {
    LegacySignature::parse(format, secret)
        .unwrap()
        .headers("evt_1", timestamp_s, body)
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn other_systems_formats_match_their_published_answers() {
    assert_eq!(
        headers("github", "It's a Secret to Everybody", 0, b"Hello, World!"),
        [pair(
            "x-hub-signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        )]
    );
    assert_eq!(
        headers(
            "stripe",
            "whsec_test_secret",
            1_700_000_000,
            br#"{"id":"evt_test"}"#
        ),
        [pair(
            "stripe-signature",
            "t=1700000000,v1=13941114bb88ac44a76abcfddea5b92aa6182a4b63d8be3aae908a616083bd7e"
        )]
    );
    assert_eq!(
        headers("shopify", "secret", 0, b"{}"),
        [pair(
            "x-shopify-hmac-sha256",
            "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM="
        )]
    );
    let slack_body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    assert_eq!(
        headers(
            "slack",
            "8f742231b10e8888abcd99yyyzzz85a5",
            1_531_420_618,
            slack_body
        ),
        [
            pair("x-slack-request-timestamp", "1531420618"),
            pair(
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
            ),
        ]
    );
    assert_eq!(
        LegacySignature::parse("svix", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap()
            .headers(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            )
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect::<Vec<_>>(),
        [
            ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("svix-timestamp", "1614265330"),
            (
                "svix-signature",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
            ),
        ]
    );
    assert_eq!(
        headers(
            "hex:X-My-Signature:sha256=",
            "It's a Secret to Everybody",
            0,
            b"Hello, World!"
        ),
        [pair(
            "x-my-signature",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        )]
    );
    assert_eq!(
        headers("base64:X-My-Signature", "secret", 0, b"{}"),
        [pair(
            "x-my-signature",
            "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM="
        )]
    );
}

#[test]
fn a_format_is_stored_as_text_and_read_back() {
    let whsec = Secret::generate().expose();
    for format in [
        "svix",
        "github",
        "stripe",
        "slack",
        "shopify",
        "hex:x-a:v=",
        "base64:x-b",
    ] {
        let secret = if format == "svix" {
            &whsec
        } else {
            "any string"
        };
        let signature = LegacySignature::parse(format, secret).unwrap();
        assert_eq!(signature.format(), format);
        assert_eq!(signature.expose_secret(), secret);
        assert!(!format!("{signature:?}").contains(secret));
    }
}

#[test]
fn a_format_that_cannot_be_sent_is_refused_with_the_reason() {
    let refused = |format: &str, secret: &str| {
        LegacySignature::parse(format, secret)
            .unwrap_err()
            .to_string()
    };
    assert!(refused("gittea", "s").starts_with("`gittea` is not a signature format; use svix, "));
    assert_eq!(
        refused("hex:no space", "s"),
        "`no space` is not a header name"
    );
    assert_eq!(refused("hex:", "s"), "`` is not a header name");
    assert_eq!(
        refused("hex:Webhook-Signature", "s"),
        "a signature cannot go into the header `Webhook-Signature`: \
         it belongs to the signature of Standard Webhooks"
    );
    assert!(refused("hex:x-a:bad prefix", "s").starts_with("the prefix is 10 bytes; "));
    assert!(refused(&format!("hex:x-a:{}", "p".repeat(65)), "s").contains("65 bytes"));
    assert_eq!(
        LegacySignature::parse("github", "").unwrap_err(),
        LegacySignatureError::Secret(SecretError::Empty)
    );
    assert_eq!(
        LegacySignature::parse("svix", "any string").unwrap_err(),
        LegacySignatureError::Secret(SecretError::UnknownPrefix)
    );
}
