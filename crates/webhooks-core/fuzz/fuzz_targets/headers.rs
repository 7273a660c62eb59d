//! Lines of `name: value`, an empty line, a body: refused by every verifier, without a panic.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};
use webhooks_core::Secret;
use webhooks_core::receive::Verifier;
use webhooks_core::scheme::{Provider, SecretForm};

static VERIFIERS: LazyLock<Vec<Verifier>> = LazyLock::new(|| {
    Provider::all()
        .map(|provider| {
            let secret = match provider.scheme().secret {
                SecretForm::Standard => Secret::generate().expose(),
                SecretForm::PublicKey => Secret::generate_ed25519().expose(),
                SecretForm::Text => "a shared secret".to_owned(),
            };
            Verifier::of(provider, [secret])
                .expect("it is well-formed")
                .public_url("https://acme.example")
        })
        .collect()
});

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    let mut lines = input.split(|&byte| byte == b'\n');
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name),
            HeaderValue::from_bytes(value.trim_ascii()),
        ) {
            headers.append(name, value);
        }
    }
    let body = lines.next().unwrap_or_default();
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for verifier in VERIFIERS.iter() {
        assert!(verifier.verify_at(&headers, body, now).is_err());
        assert!(
            verifier
                .verify_url("https://acme.example/?a=b", &headers, body)
                .is_err()
        );
    }
});
