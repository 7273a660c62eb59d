//! The standard's own packages and ours, each checking what the other signed: `standardwebhooks`
//! from crates.io, npm and PyPI for `v1`, OpenSSL (through Node) for `v1a`.
#![cfg(feature = "receive")]

#[cfg(feature = "testing")]
mod deliveries;
mod packages;

use crate::official::packages::Package;
use http::HeaderMap;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::time::{SystemTime, UNIX_EPOCH};
use webhooks_core::Secret;
use webhooks_core::receive::Verifier;
use webhooks_core::signature::sign;

const ID: &str = "0190b5a0-7f3e-7cc1-9a55-3f2b8f1f6d11";
const BODIES: [&str; 4] = [
    r#"{"id":"0190b5a0-7f3e-7cc1-9a55-3f2b8f1f6d11","event":"random_number:generate","data":863}"#,
    r#"{"text":"ünïcödé 🎲 and \"quotes\"","nested":{"a":[1,2.5,null]}}"#,
    "{ \"spaces\" :\n\t1 }",
    "{}",
];

/// The packages judge the timestamp by the system's clock.
fn now_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        .try_into()
        .unwrap()
}

fn headers(timestamp_s: i64, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", ID.parse().unwrap());
    headers.insert("webhook-timestamp", timestamp_s.into());
    headers.insert("webhook-signature", signature.parse().unwrap());
    headers
}

fn ours_accepts(secret: &Secret, timestamp_s: i64, body: &str, signature: &str) {
    let verified = Verifier::standard([secret.clone()])
        .verify(&headers(timestamp_s, signature), body.as_bytes())
        .unwrap();
    assert_eq!(verified.id.as_deref(), Some(ID));
}

/// A secret of each length that matters, and the second one signing first, as in a rotation.
fn rotations() -> Vec<[Secret; 2]> {
    let shortest: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    vec![
        [shortest, Secret::generate()],
        [Secret::generate(), Secret::generate_ed25519()],
    ]
}

#[test]
fn the_crate_accepts_ours_and_ours_accepts_the_crate() {
    for [secret, other] in rotations() {
        let theirs = Webhook::new(&secret.expose()).unwrap();
        for body in BODIES {
            let timestamp_s = now_s();
            let list = sign(
                &[other.clone(), secret.clone()],
                ID,
                timestamp_s,
                body.as_bytes(),
            );
            theirs
                .verify(body.as_bytes(), &headers(timestamp_s, &list))
                .unwrap();
            assert!(
                theirs
                    .verify(b"{\"other\":1}", &headers(timestamp_s, &list))
                    .is_err()
            );
            let made = theirs.sign(ID, timestamp_s, body.as_bytes()).unwrap();
            ours_accepts(&secret, timestamp_s, body, &made);
        }
    }
}

fn exchange_v1(package: &Package) {
    for [secret, other] in rotations() {
        for body in BODIES {
            let timestamp_s = now_s();
            let signers = [other.clone(), secret.clone()];
            let answer = package.ask(&json!({
                "secret": secret.expose(),
                "id": ID,
                "timestamp": timestamp_s,
                "body": body,
                "signature": sign(&signers, ID, timestamp_s, body.as_bytes()),
            }));
            assert_eq!(answer["accepted"], Value::Bool(true), "{answer}");
            assert_eq!(
                answer["accepted_other_body"],
                Value::Bool(false),
                "{answer}"
            );
            ours_accepts(
                &secret,
                timestamp_s,
                body,
                answer["signature"].as_str().unwrap(),
            );
        }
    }
}

#[test]
fn the_npm_package_accepts_ours_and_ours_accepts_the_npm_package() {
    exchange_v1(&Package::npm("standard.mjs"));
}

#[test]
fn the_pypi_package_accepts_ours_and_ours_accepts_the_pypi_package() {
    exchange_v1(&Package::pypi("standard.py"));
}

#[test]
fn openssl_accepts_our_ed25519_and_ours_accepts_openssls() {
    let node = Package::node("ed25519.mjs");
    for body in BODIES {
        let signing = Secret::generate_ed25519();
        let public = signing.public_half().unwrap();
        let timestamp_s = now_s();
        let answer = node.ask(&json!({
            "secret": signing.expose(),
            "public": public.expose(),
            "id": ID,
            "timestamp": timestamp_s,
            "body": body,
            "signature": sign(std::slice::from_ref(&signing), ID, timestamp_s, body.as_bytes()),
        }));
        assert_eq!(answer["accepted"], Value::Bool(true), "{answer}");
        assert_eq!(
            answer["accepted_other_body"],
            Value::Bool(false),
            "{answer}"
        );
        ours_accepts(
            &public,
            timestamp_s,
            body,
            answer["signature"].as_str().unwrap(),
        );
    }
    // A pair that OpenSSL generated.
    let pair = node.ask(&json!({ "generate": true }));
    let signing: Secret = pair["secret"].as_str().unwrap().parse().unwrap();
    assert_eq!(signing.public_half().unwrap().expose(), pair["public"]);
}
