//! What the verifier accepts and why it refuses: published known answers for every preset, and
//! every way a request can be wrong.
#![cfg(feature = "receive")]

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webhooks_core::receive::{Verification, Verifier, VerifyError};
use webhooks_core::{Secret, SharedSecret, signature};

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SENT_S: u64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn standard_headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
    headers(&[
        ("webhook-id", id),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", signature),
    ])
}

fn standard(secrets: &[&str]) -> Verifier {
    let secrets: Vec<Secret> = secrets.iter().map(|text| text.parse().unwrap()).collect();
    Verifier::standard(secrets)
}

fn shared(text: &str) -> SharedSecret {
    text.parse().unwrap()
}

fn verify(verifier: &Verifier, headers: &HeaderMap) -> Result<Verification, VerifyError> {
    verifier.verify_at(headers, BODY, at(SENT_S))
}

#[test]
fn standard_webhooks_known_answers_are_accepted_under_both_sets_of_names() {
    let verified = verify(
        &standard(&[WHSEC]),
        &standard_headers(ID, "1614265330", SIGNATURE),
    )
    .unwrap();
    assert_eq!(verified.id.as_deref(), Some(ID));
    assert_eq!(verified.timestamp, Some(at(SENT_S)));
    assert_eq!(verified.secret_index, 0);
    assert_eq!(verified.unsigned_id, None);

    let svix = headers(&[
        ("svix-id", ID),
        ("svix-timestamp", "1614265330"),
        ("svix-signature", SIGNATURE),
    ]);
    assert_eq!(verify(&standard(&[WHSEC]), &svix).unwrap(), verified);

    let other = standard_headers(
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "1649367553",
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    );
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    standard(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"])
        .verify_at(&other, body, at(1_649_367_553))
        .unwrap();
}

#[test]
fn the_standard_names_count_when_both_sets_are_sent() {
    let mut both = standard_headers(ID, "1614265330", SIGNATURE);
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        both.append(name, HeaderValue::from_static("nonsense"));
    }
    assert_eq!(
        verify(&standard(&[WHSEC]), &both).unwrap().id.as_deref(),
        Some(ID)
    );
}

#[test]
fn a_body_that_is_not_utf_8_is_verified_as_it_is() {
    let secret = Secret::generate();
    let body = [0xff, 0x00, 0xfe, b'\n'];
    let made = signature::sign(std::slice::from_ref(&secret), "evt_1", 1000, &body);
    let request = standard_headers("evt_1", "1000", &made);
    let verifier = Verifier::standard([secret]);
    assert!(verifier.verify_at(&request, &body, at(1000)).is_ok());
    assert!(verifier.verify_at(&request, &body[..3], at(1000)).is_err());
}

#[test]
fn every_signature_is_tried_with_every_secret_of_both_kinds() {
    let secrets: Vec<Secret> = vec![
        Secret::generate(),
        Secret::generate_ed25519(),
        Secret::generate(),
        Secret::generate_ed25519(),
    ];
    let verifying: Vec<Secret> = secrets
        .iter()
        .map(|secret| secret.public_half().unwrap_or_else(|| secret.clone()))
        .collect();
    let strangers = [
        Secret::generate(),
        Secret::generate_ed25519(),
        Secret::generate(),
    ];
    for (index, secret) in secrets.iter().enumerate() {
        // The fitting one stands behind others of both kinds.
        let signers = [&strangers[..], std::slice::from_ref(secret)].concat();
        let list = signature::sign(&signers, "evt_1", 1000, BODY);
        for verifier in [
            Verifier::standard(secrets.clone()),
            Verifier::standard(verifying.clone()),
        ] {
            let verified = verifier
                .verify_at(&standard_headers("evt_1", "1000", &list), BODY, at(1000))
                .unwrap();
            assert_eq!(verified.secret_index, index);
        }
    }
    let list = signature::sign(&strangers, "evt_1", 1000, BODY);
    assert_eq!(
        Verifier::standard(secrets)
            .verify_at(&standard_headers("evt_1", "1000", &list), BODY, at(1000))
            .unwrap_err(),
        VerifyError::NoSignatureMatched {
            signatures: 3,
            secrets: 4
        }
    );
}

#[test]
fn an_entry_that_cannot_be_read_does_not_spoil_one_that_can() {
    for list in [
        format!("garbage {SIGNATURE}"),
        format!("v1, {SIGNATURE}"),
        format!("v1,!!!! {SIGNATURE}"),
        format!("v2,AAAA {SIGNATURE}"),
        format!("{SIGNATURE} v1a,AAAA"),
        format!("  {SIGNATURE}  "),
    ] {
        let request = standard_headers(ID, "1614265330", &list);
        assert!(verify(&standard(&[WHSEC]), &request).is_ok(), "{list}");
    }
}

#[test]
fn anything_altered_is_refused() {
    let no_match = VerifyError::NoSignatureMatched {
        signatures: 1,
        secrets: 1,
    };
    let verifier = standard(&[WHSEC]);
    let request = standard_headers(ID, "1614265330", SIGNATURE);
    for body in [
        &b""[..],
        br#"{"test": 2432232315}"#,
        br#"{"test": 2432232314} "#,
    ] {
        assert_eq!(
            verifier.verify_at(&request, body, at(SENT_S)).unwrap_err(),
            no_match
        );
    }
    for (id, timestamp) in [("msg_other", "1614265330"), (ID, "1614265331")] {
        let request = standard_headers(id, timestamp, SIGNATURE);
        assert_eq!(verify(&verifier, &request).unwrap_err(), no_match);
    }
    let other = standard(&["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]);
    assert_eq!(verify(&other, &request).unwrap_err(), no_match);
    // The right bytes under the wrong version are another kind of signature.
    let bytes = SIGNATURE.strip_prefix("v1,").unwrap();
    let renamed = standard_headers(ID, "1614265330", &format!("v2,{bytes}"));
    assert!(matches!(
        verify(&verifier, &renamed),
        Err(VerifyError::Malformed { .. })
    ));
}

#[test]
fn a_timestamp_is_judged_in_both_directions_to_the_second() {
    let verifier = standard(&[WHSEC]);
    let request = standard_headers(ID, "1614265330", SIGNATURE);
    let limit = Duration::from_secs(300);
    for now in [SENT_S - 300, SENT_S, SENT_S + 300] {
        assert!(verifier.verify_at(&request, BODY, at(now)).is_ok(), "{now}");
    }
    let old = verifier
        .verify_at(&request, BODY, at(SENT_S + 412))
        .unwrap_err();
    assert_eq!(
        old,
        VerifyError::TooOld {
            age: Duration::from_secs(412),
            limit
        }
    );
    assert_eq!(
        old.to_string(),
        "the timestamp is 412 s old; the limit is 300 s"
    );
    assert_eq!(
        verifier
            .verify_at(&request, BODY, at(SENT_S - 301))
            .unwrap_err(),
        VerifyError::TooNew {
            ahead: Duration::from_secs(301),
            limit
        }
    );
    let before_1970 = UNIX_EPOCH - Duration::from_secs(10);
    assert!(matches!(
        verifier.verify_at(&request, BODY, before_1970),
        Err(VerifyError::TooNew { .. })
    ));

    let strict = verifier.clone().tolerance(Duration::ZERO);
    assert!(strict.verify_at(&request, BODY, at(SENT_S)).is_ok());
    assert!(strict.verify_at(&request, BODY, at(SENT_S + 1)).is_err());
    let ages = verifier.tolerance(Duration::MAX);
    assert!(ages.verify_at(&request, BODY, before_1970).is_ok());
}

#[test]
fn the_signature_is_judged_before_the_time() {
    let forged = standard_headers("evt_1", "1", SIGNATURE);
    assert!(matches!(
        verify(&standard(&[WHSEC]), &forged),
        Err(VerifyError::NoSignatureMatched { .. })
    ));
}

#[test]
fn timestamps_at_the_limits_of_their_type_are_refused_or_judged_without_overflow() {
    let secret: Secret = WHSEC.parse().unwrap();
    let made =
        |timestamp_s| signature::sign(std::slice::from_ref(&secret), "evt_1", timestamp_s, BODY);
    let verifier = standard(&[WHSEC]);
    for (timestamp, signed) in [
        ("-9223372036854775808", made(i64::MIN)),
        ("-1", made(-1)),
        ("+1614265330", made(1_614_265_330)),
    ] {
        let error = verify(&verifier, &standard_headers("evt_1", timestamp, &signed)).unwrap_err();
        assert!(
            matches!(
                error,
                VerifyError::Malformed {
                    name: "webhook-timestamp",
                    ..
                }
            ),
            "{timestamp}: {error}"
        );
    }
    let last = standard_headers("evt_1", "9223372036854775807", &made(i64::MAX));
    assert!(matches!(
        verify(&verifier, &last),
        Err(VerifyError::TooNew { .. })
    ));
    // Whatever the platform's clock can hold: an answer, not a panic.
    let _ = verify(&verifier.clone().tolerance(Duration::MAX), &last);
    let first = standard_headers("evt_1", "0", &made(0));
    assert!(matches!(
        verify(&verifier, &first),
        Err(VerifyError::TooOld { .. })
    ));
}

#[test]
fn malformed_headers_are_named_with_their_problem() {
    let verifier = standard(&[WHSEC]);
    let long_list = vec![SIGNATURE; 33].join(" ");
    let endless = format!("v1,{}", "A".repeat(5000));
    let long_id = "i".repeat(257);
    let ok = (ID, "1614265330", SIGNATURE);
    let malformed = |name, problem| VerifyError::Malformed { name, problem };
    let digits_only = "a timestamp must be whole seconds since 1970, digits only";
    let cases = [
        (
            (ID, "1614265330", ""),
            malformed("webhook-signature", "it is empty"),
        ),
        (
            (
                ID,
                "1614265330",
                "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            malformed(
                "webhook-signature",
                "a signature has no comma after its version",
            ),
        ),
        (
            (ID, "1614265330", "v1,"),
            malformed(
                "webhook-signature",
                "what follows `v1,` is not 32 bytes of base64",
            ),
        ),
        (
            (
                ID,
                "1614265330",
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
            ),
            malformed(
                "webhook-signature",
                "what follows `v1,` is not 32 bytes of base64",
            ),
        ),
        (
            (ID, "1614265330", "v1a,AAAA"),
            malformed(
                "webhook-signature",
                "what follows `v1a,` is not 64 bytes of base64",
            ),
        ),
        (
            (ID, "1614265330", "v3,AAAA"),
            malformed("webhook-signature", "it holds no `v1` or `v1a` signature"),
        ),
        (
            (ID, "1614265330", &long_list),
            VerifyError::TooManySignatures {
                name: "webhook-signature",
                limit: 32,
            },
        ),
        (
            (ID, "1614265330", &endless),
            VerifyError::HeaderTooLong {
                name: "webhook-signature",
                bytes: 5003,
                limit: 4096,
            },
        ),
        (
            (ID, "1614265330", "v1,ü"),
            VerifyError::NotText {
                name: "webhook-signature",
            },
        ),
        (
            (ID, "", SIGNATURE),
            malformed("webhook-timestamp", digits_only),
        ),
        (
            (ID, "1e9", SIGNATURE),
            malformed("webhook-timestamp", digits_only),
        ),
        (
            (ID, "1614265330.5", SIGNATURE),
            malformed("webhook-timestamp", digits_only),
        ),
        (
            (ID, "01614265330", SIGNATURE),
            malformed(
                "webhook-timestamp",
                "a timestamp must not have a leading zero",
            ),
        ),
        (
            (ID, "9223372036854775808", SIGNATURE),
            malformed("webhook-timestamp", "the timestamp is out of range"),
        ),
        (("", ok.1, ok.2), malformed("webhook-id", "it is empty")),
        (
            ("a b", ok.1, ok.2),
            malformed("webhook-id", "an id must not contain spaces"),
        ),
        (
            ("a.b", ok.1, ok.2),
            malformed("webhook-id", "an id must not contain a full stop"),
        ),
        (
            ("é", ok.1, ok.2),
            VerifyError::NotText { name: "webhook-id" },
        ),
        (
            (&long_id, ok.1, ok.2),
            VerifyError::HeaderTooLong {
                name: "webhook-id",
                bytes: 257,
                limit: 256,
            },
        ),
    ];
    for ((id, timestamp, list), expected) in cases {
        let error = verify(&verifier, &standard_headers(id, timestamp, list)).unwrap_err();
        assert_eq!(error, expected, "{id:.20} {timestamp:.20} {list:.20}");
    }
    // As many as allowed are all looked at: here the last one fits.
    let mut list = vec!["v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; 31];
    list.push(SIGNATURE);
    assert!(verify(&verifier, &standard_headers(ID, ok.1, &list.join(" "))).is_ok());
}

#[test]
fn a_missing_or_repeated_header_is_named() {
    let verifier = standard(&[WHSEC]);
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut request = standard_headers(ID, "1614265330", SIGNATURE);
        let value = request.get(name).unwrap().clone();
        request.append(name, value);
        assert_eq!(
            verify(&verifier, &request).unwrap_err(),
            VerifyError::DuplicateHeader { name, count: 2 }
        );
        request.remove(name);
        assert_eq!(
            verify(&verifier, &request).unwrap_err(),
            VerifyError::MissingHeader { name }
        );
    }
    assert_eq!(
        verify(&verifier, &HeaderMap::new())
            .unwrap_err()
            .to_string(),
        "the header `webhook-signature` is missing"
    );
}

#[test]
fn a_verifier_without_secrets_accepts_nothing() {
    let request = standard_headers(ID, "1614265330", SIGNATURE);
    assert_eq!(
        verify(&standard(&[]), &request).unwrap_err(),
        VerifyError::NoSecrets
    );
    assert_eq!(
        Verifier::github([])
            .verify(&HeaderMap::new(), b"")
            .unwrap_err(),
        VerifyError::NoSecrets
    );
}

#[test]
fn debug_shows_no_secret() {
    let shown = format!("{:?}", standard(&[WHSEC]));
    assert!(
        shown.contains("standard") && !shown.contains("MfKQ"),
        "{shown}"
    );
}

#[test]
fn github_matches_its_published_answer() {
    let verifier = Verifier::github([shared("an older one"), shared("It's a Secret to Everybody")]);
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let request = headers(&[
        ("x-hub-signature-256", signature),
        ("x-github-event", "push"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ]);
    let verified = verifier.verify(&request, b"Hello, World!").unwrap();
    assert_eq!(verified.secret_index, 1);
    assert_eq!((verified.id, verified.timestamp), (None, None));
    assert_eq!(verified.unsigned_event_type.as_deref(), Some("push"));
    assert_eq!(
        verified.unsigned_id.as_deref(),
        Some("72d3162e-cc78-11e3-81ab-4c9367dc0958")
    );
    assert_eq!(
        verifier.verify(&request, b"Hello, World?").unwrap_err(),
        VerifyError::NoSignatureMatched {
            signatures: 1,
            secrets: 2
        }
    );
    for wrong in [
        "",
        "sha256=",
        "sha1=00",
        "sha256=zz",
        &signature[..70],
        "757107ea",
    ] {
        let request = headers(&[("x-hub-signature-256", wrong)]);
        let error = verifier.verify(&request, b"Hello, World!").unwrap_err();
        assert!(
            matches!(error, VerifyError::Malformed { .. }),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn stripe_matches_its_answer_and_tries_every_v1() {
    let body = br#"{"id":"evt_test"}"#;
    let made = "13941114bb88ac44a76abcfddea5b92aa6182a4b63d8be3aae908a616083bd7e";
    let zeros = "0".repeat(64);
    let verifier = Verifier::stripe([shared("whsec_test_secret")]);
    let verify = |value: &str, now| {
        verifier.verify_at(&headers(&[("stripe-signature", value)]), body, at(now))
    };
    for value in [
        format!("t=1700000000,v1={made}"),
        format!("v1={made},t=1700000000"),
        format!("t=1700000000,v1={made},v1={zeros},v0={zeros}"),
        format!("t=1700000000,v1={zeros},v1={made}"),
        format!("t=1700000000,v0=whatever,v1=short,future,v1={made}"),
    ] {
        let verified = verify(&value, 1_700_000_300).unwrap();
        assert_eq!(verified.timestamp, Some(at(1_700_000_000)), "{value}");
    }
    let good = format!("t=1700000000,v1={made}");
    assert!(matches!(
        verify(&good, 1_700_000_301),
        Err(VerifyError::TooOld { .. })
    ));
    assert!(matches!(
        verify(&good, 1_699_999_699),
        Err(VerifyError::TooNew { .. })
    ));
    for value in [
        String::new(),
        format!("v1={made}"),
        "t=1700000000".to_owned(),
        format!("t=1700000000,v0={made}"),
        format!("t=1700000000,t=1700000000,v1={made}"),
        format!("t=+1700000000,v1={made}"),
        format!("t=-9223372036854775808,v1={made}"),
        format!("t=1700000000,v1={made}00"),
    ] {
        let error = verify(&value, 1_700_000_000).unwrap_err();
        assert!(
            matches!(error, VerifyError::Malformed { .. }),
            "{value}: {error}"
        );
    }
    let many = format!("t=1700000000{}", format!(",v0={made}").repeat(33));
    assert_eq!(
        verify(&many, 1_700_000_000).unwrap_err(),
        VerifyError::TooManySignatures {
            name: "Stripe-Signature",
            limit: 32
        }
    );
    let moved = format!("t=1700000001,v1={made}");
    assert!(matches!(
        verify(&moved, 1_700_000_000),
        Err(VerifyError::NoSignatureMatched {
            signatures: 1,
            secrets: 1
        })
    ));
}

#[test]
fn slack_matches_its_published_answer() {
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let verifier = Verifier::slack([shared("8f742231b10e8888abcd99yyyzzz85a5")]);
    let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    let request = |timestamp: &str, signature: &str| {
        headers(&[
            ("x-slack-request-timestamp", timestamp),
            ("x-slack-signature", signature),
        ])
    };
    let good = request("1531420618", signature);
    assert!(verifier.verify_at(&good, body, at(1_531_420_618)).is_ok());
    assert!(matches!(
        verifier.verify_at(&good, body, at(1_531_420_919)),
        Err(VerifyError::TooOld { .. })
    ));
    let moved = request("1531420619", signature);
    assert!(matches!(
        verifier.verify_at(&moved, body, at(1_531_420_618)),
        Err(VerifyError::NoSignatureMatched { .. })
    ));
    let unversioned = request("1531420618", &signature[3..]);
    assert!(matches!(
        verifier.verify_at(&unversioned, body, at(1_531_420_618)),
        Err(VerifyError::Malformed {
            name: "X-Slack-Signature",
            ..
        })
    ));
}

#[test]
fn shopify_matches_its_answer() {
    let verifier = Verifier::shopify([shared("secret")]);
    let request = headers(&[
        (
            "x-shopify-hmac-sha256",
            "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=",
        ),
        ("x-shopify-topic", "orders/create"),
        (
            "x-shopify-webhook-id",
            "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        ),
    ]);
    let verified = verifier.verify(&request, b"{}").unwrap();
    assert_eq!(
        verified.unsigned_event_type.as_deref(),
        Some("orders/create")
    );
    assert!(verified.unsigned_id.is_some());
    assert!(matches!(
        verifier.verify(&request, b"{ }"),
        Err(VerifyError::NoSignatureMatched { .. })
    ));
    for wrong in ["", "dzJZ", "not base64"] {
        let request = headers(&[("x-shopify-hmac-sha256", wrong)]);
        assert!(matches!(
            verifier.verify(&request, b"{}"),
            Err(VerifyError::Malformed { .. })
        ));
    }
}
