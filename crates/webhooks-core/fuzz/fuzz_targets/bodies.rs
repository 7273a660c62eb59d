//! A body of any bytes, correctly signed: accepted by its verifier, refused once altered.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, UNIX_EPOCH};
use webhooks_core::receive::Verifier;
use webhooks_core::signature::LegacySignature;
use webhooks_core::{Secret, SharedSecret};

const NOW_S: i64 = 1_700_000_000;

fuzz_target!(|body: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(NOW_S.unsigned_abs());
    let shared: SharedSecret = "a shared secret".parse().expect("it is not empty");
    let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        .parse()
        .expect("it is well-formed");
    for (verifier, signature) in [
        (
            Verifier::standard([secret.clone()]),
            LegacySignature::Svix(secret),
        ),
        (
            Verifier::github([shared.clone()]),
            LegacySignature::GitHub(shared.clone()),
        ),
        (
            Verifier::stripe([shared.clone()]),
            LegacySignature::Stripe(shared.clone()),
        ),
        (
            Verifier::slack([shared.clone()]),
            LegacySignature::Slack(shared.clone()),
        ),
        (
            Verifier::shopify([shared.clone()]),
            LegacySignature::Shopify(shared.clone()),
        ),
    ] {
        let headers: HeaderMap = signature
            .headers("evt_1", NOW_S, body)
            .into_iter()
            .collect();
        assert!(verifier.verify_at(&headers, body, now).is_ok());
        let altered = [body, b" "].concat();
        assert!(verifier.verify_at(&headers, &altered, now).is_err());
    }
    // A form, with a signature of the right length that is not the right one.
    let mut headers = HeaderMap::new();
    let form = "application/x-www-form-urlencoded";
    headers.insert("content-type", HeaderValue::from_static(form));
    headers.insert(
        "x-twilio-signature",
        HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    );
    let url = "https://acme.example".parse().expect("it is a url");
    let twilio = Verifier::twilio([shared], &url);
    assert!(
        twilio
            .verify_url("https://acme.example/sms", &headers, body)
            .is_err()
    );
});
