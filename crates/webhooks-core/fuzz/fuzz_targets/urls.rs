//! Any text as an endpoint's URL: refused, or an http(s) URL that the judge accepts again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use webhooks_core::AddressPolicy;

fuzz_target!(|text: &str| {
    let policy = AddressPolicy::default();
    if let Ok(url) = policy.parse(text) {
        assert!(matches!(url.scheme(), "http" | "https"));
        assert!(policy.judge(&url).is_ok());
        assert!(policy.parse(url.as_str()).is_ok());
    }
});
