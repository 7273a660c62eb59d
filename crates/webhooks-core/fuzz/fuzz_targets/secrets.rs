//! Any text as a secret or a migration format: refused, or read back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use webhooks_core::signature::LegacySignature;
use webhooks_core::{Secret, SharedSecret};

fuzz_target!(|text: &str| {
    if let Ok(secret) = Secret::parse(text) {
        assert_eq!(secret.expose(), text);
    }
    if let Ok(secret) = SharedSecret::parse(text) {
        assert_eq!(secret.expose(), text);
    }
    if let Ok(signature) = LegacySignature::parse(text, "a shared secret") {
        let again = LegacySignature::parse(&signature.format(), &signature.expose_secret());
        assert_eq!(again, Ok(signature));
    }
});
