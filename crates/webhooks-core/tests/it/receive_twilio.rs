//! Twilio's signature over the URL and the form, or over a URL with the body's hash.
#![cfg(feature = "receive")]

use http::{HeaderMap, HeaderValue};
use webhooks_core::SharedSecret;
use webhooks_core::receive::{Verification, Verifier, VerifyError};

const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const URL_WITH_PORT: &str = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
const FORM: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";
const SIGNATURE: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
const SIGNATURE_WITH_PORT: &str = "kvajT1Ptam85bY51eRf/AJRuM3w=";
const NO_MATCH: VerifyError = VerifyError::NoSignatureMatched {
    signatures: 1,
    secrets: 1,
};

fn verify(
    url: &str,
    signature: &'static str,
    content_type: &'static str,
    body: &str,
) -> Result<Verification, VerifyError> {
    let token: SharedSecret = "12345".parse().unwrap();
    let verifier = Verifier::twilio([token], "https://unused.example");
    let mut headers = HeaderMap::new();
    headers.insert("x-twilio-signature", HeaderValue::from_static(signature));
    headers.insert("content-type", HeaderValue::from_static(content_type));
    verifier.verify_url(url, &headers, body.as_bytes())
}

fn form(url: &str, signature: &'static str, body: &str) -> Result<Verification, VerifyError> {
    verify(
        url,
        signature,
        "application/x-www-form-urlencoded; charset=utf-8",
        body,
    )
}

#[test]
fn the_published_answers_are_accepted_with_and_without_the_port_on_either_side() {
    for url in [URL, URL_WITH_PORT] {
        for signature in [SIGNATURE, SIGNATURE_WITH_PORT] {
            assert!(form(url, signature, FORM).is_ok(), "{url} {signature}");
        }
    }
}

#[test]
fn the_order_of_the_fields_does_not_matter_and_repeated_values_count_once() {
    let reordered = "To=%2B18005551212&From=%2B14158675309&Digits=1234&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
    assert!(form(URL, SIGNATURE, reordered).is_ok());
    let repeated = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
    assert!(form(URL, "IK+Dwps556ElfBT0I3Rgjkr1wJU=", repeated).is_ok());
    assert!(
        form(
            URL,
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            "Sid=CA123&SidAccount=AC123&Digits=1234&Digits=5678"
        )
        .is_ok()
    );
    assert_eq!(
        form(
            URL,
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
            "Sid=CA123&SidAccount=AC123&Digits=1234"
        )
        .unwrap_err(),
        NO_MATCH
    );
}

#[test]
fn a_json_body_is_checked_by_the_hash_in_the_signed_url() {
    let body = r#"{"property": "value", "boolean": true}"#;
    let url = format!(
        "{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    );
    let signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
    assert!(verify(&url, signature, "application/json", body).is_ok());
    assert_eq!(
        verify(
            &url,
            signature,
            "application/json",
            r#"{"property": "other", "boolean": true}"#
        )
        .unwrap_err(),
        VerifyError::BodyHashDiffers
    );
    assert_eq!(
        verify(&url, signature, "application/json", "").unwrap_err(),
        VerifyError::BodyHashDiffers
    );
    let other_hash = url.replace("0a1f", "0b1f");
    assert_eq!(
        verify(&other_hash, signature, "application/json", body).unwrap_err(),
        NO_MATCH
    );
}

#[test]
fn a_body_that_nothing_signs_is_refused() {
    assert_eq!(
        verify(URL, SIGNATURE, "application/json", "{}").unwrap_err(),
        VerifyError::BodyNotSigned
    );
    assert_eq!(
        verify(URL, SIGNATURE, "text/plain", FORM).unwrap_err(),
        VerifyError::BodyNotSigned
    );
}

#[test]
fn what_is_altered_is_refused() {
    assert_eq!(
        form(URL, SIGNATURE, &FORM.replace("1234567890", "1234567891")).unwrap_err(),
        NO_MATCH
    );
    assert_eq!(
        form(URL, SIGNATURE, &format!("{FORM}&More=1")).unwrap_err(),
        NO_MATCH
    );
    assert_eq!(form(URL, SIGNATURE, "").unwrap_err(), NO_MATCH);
    for url in [
        "http://mycompany.com/myapp.php?foo=1&bar=2",
        "https://mycompany.com:8443/myapp.php?foo=1&bar=3",
        "https://mycompany.com/myapp.php?foo=1&bar=3",
        "https://mycompany.com.evil.example/myapp.php?foo=1&bar=2",
        "not a url",
        "",
        "://:",
        "https://",
        "https://[::1",
        "https://a@b:c:443/é?",
    ] {
        assert_eq!(form(url, SIGNATURE, FORM).unwrap_err(), NO_MATCH, "{url}");
    }
}

#[test]
fn a_malformed_request_is_named() {
    let malformed = VerifyError::Malformed {
        name: "X-Twilio-Signature",
        problem: "it is not 20 bytes of base64",
    };
    for signature in ["", "short", "!!!!!!!!!!!!!!!!!!!!!!!!!!!!"] {
        assert_eq!(form(URL, signature, FORM).unwrap_err(), malformed);
    }
    let endless = "a=1&".repeat(1001);
    assert_eq!(
        form(URL, SIGNATURE, &endless).unwrap_err(),
        VerifyError::TooManyFields { limit: 1000 }
    );
    let token: SharedSecret = "12345".parse().unwrap();
    let verifier = Verifier::twilio([token], "https://unused.example");
    assert_eq!(
        verifier.verify(&HeaderMap::new(), b"").unwrap_err(),
        VerifyError::UrlNeeded
    );
    assert_eq!(
        verifier
            .verify_url(URL, &HeaderMap::new(), b"")
            .unwrap_err(),
        VerifyError::MissingHeader {
            name: "X-Twilio-Signature"
        }
    );
}
