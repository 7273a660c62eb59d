//! A body of any bytes, correctly signed: accepted by its verifier, refused once altered.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::time::{Duration, UNIX_EPOCH};
use webhooks_core::receive::Verifier;
use webhooks_core::scheme::Provider;
use webhooks_core::signature::LegacySignature;

const NOW_S: i64 = 1_700_000_000;

fuzz_target!(|body: &[u8]| {
    let now = UNIX_EPOCH + Duration::from_secs(NOW_S.unsigned_abs());
    let whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for (format, provider, secret) in [
        ("svix", Provider::Standard, whsec),
        ("github", Provider::GitHub, "a shared secret"),
        ("stripe", Provider::Stripe, "a shared secret"),
        ("slack", Provider::Slack, "a shared secret"),
        ("shopify", Provider::Shopify, "a shared secret"),
        ("paddle", Provider::Paddle, "a shared secret"),
        ("zoom", Provider::Zoom, "a shared secret"),
        ("meta", Provider::Meta, "a shared secret"),
    ] {
        let verifier = Verifier::of(provider, [secret]).expect("it is well-formed");
        let signature = LegacySignature::parse(format, secret).expect("it is known");
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
    let twilio = Verifier::of(Provider::Twilio, ["a token"]).expect("it is well-formed");
    assert!(
        twilio
            .verify_url("https://acme.example/sms", &headers, body)
            .is_err()
    );
});
