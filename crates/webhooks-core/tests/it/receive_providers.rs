//! The providers that share one way to sign but not its details: limits, encodings, challenges,
//! and spellings of one request that are the same or not.
#![cfg(feature = "receive")]

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tower::ServiceExt;
use webhooks_core::Secret;
use webhooks_core::receive::{Rejection, VerifiedBody, Verifier, VerifyError};
use webhooks_core::scheme::{Provider, SignError, ToSign};

const NOW_S: i64 = 1_700_000_000;
const FORM: &str = "application/x-www-form-urlencoded";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW_S.unsigned_abs())
}

fn verifier(provider: Provider, secret: &str) -> Verifier {
    Verifier::of(provider, [secret]).unwrap().clock(now)
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect()
}

fn signed(provider: Provider, secret: &str, body: &[u8]) -> HeaderMap {
    let made = provider
        .sign(
            &provider.key(secret).unwrap(),
            &ToSign {
                id: "evt_1",
                timestamp_s: NOW_S,
                url: "",
                content_type: None,
                body,
            },
        )
        .unwrap();
    let pairs: Vec<(&str, &str)> = made.iter().map(|(name, value)| (*name, &**value)).collect();
    headers(&pairs)
}

/// What a handler that passes challenges on and counts JSON's `n` answers.
async fn answer(verifier: Verifier, headers: HeaderMap, body: Vec<u8>) -> (StatusCode, String) {
    async fn hook(request: VerifiedBody) -> Result<Response, Rejection> {
        if let Some(answer) = request.challenge {
            return Ok(answer.into_response());
        }
        let body: serde_json::Value = request.json()?;
        Ok(format!("n {}", body["n"]).into_response())
    }
    let router: Router = Router::new().route("/", post(hook)).with_state(verifier);
    let mut request = Request::post("/").body(Body::from(body)).unwrap();
    request.headers_mut().extend(headers);
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn every_provider_is_in_the_list_once_and_is_found_by_its_name() {
    let names: Vec<&str> = Provider::all().map(Provider::name).collect();
    assert_eq!(names.len(), 12);
    for provider in Provider::all() {
        assert_eq!(provider.name().parse::<Provider>().unwrap(), provider);
        assert_eq!(
            serde_json::to_value(provider).unwrap(),
            serde_json::Value::from(provider.name())
        );
        assert!(!provider.scheme().signature_header().is_empty());
    }
    let error = "gittea".parse::<Provider>().unwrap_err().to_string();
    for name in names {
        assert!(error.contains(name), "{error}");
    }
}

/// Computed with OpenSSL by the providers' documentation, and accepted by the libraries of Paddle,
/// Linear and Discord; polis asks those as well (`tests/verbs/providers.rs`).
#[test]
fn known_answers_of_the_newer_presets_are_accepted_and_nothing_else() {
    let body = br#"{"n":1,"webhookTimestamp":1700000000000}"#;
    for (provider, secret, pairs) in [
        (
            Provider::Paddle,
            "pdl_ntfset_01_secret",
            &[(
                "Paddle-Signature",
                "ts=1700000000;h1=93a2352171d4593290e0772e6c13354f3755d143e18d9c2eb0cffd6ebdb7c2df",
            )][..],
        ),
        (
            Provider::Linear,
            "lin_wh_secret",
            &[(
                "Linear-Signature",
                "2ec623aad08b9ce44776c02859f1ad4746b6229b4b143f2ebb63b06951968526",
            )],
        ),
        (
            Provider::Zoom,
            "zoom-secret",
            &[
                ("x-zm-request-timestamp", "1700000000"),
                (
                    "x-zm-signature",
                    "v0=830e301de839e7acf0d4a3cef976ea7a4cd7a2a667e66baba54b95534168e480",
                ),
            ],
        ),
        (
            Provider::Discord,
            "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
            &[
                ("X-Signature-Timestamp", "1700000000"),
                (
                    "X-Signature-Ed25519",
                    "1dd1760df839c717df1a771ef18c283657b3ca2ff899b6508f5f0100b39f0e4e647cff0c6cc9ff8d76ef072e16c652452bd30b30bee832ea0e8fe4dc0a798a0b",
                ),
            ],
        ),
        (
            Provider::Meta,
            "app secret",
            &[(
                "X-Hub-Signature-256",
                "sha256=8f279e3438d2fb3ccd7d79a4946fdb2243fb940e63c1d9c995e9aaba30b0233b",
            )],
        ),
    ] {
        let verifier = verifier(provider, secret);
        let verified = verifier.verify(&headers(pairs), body);
        assert!(verified.is_ok(), "{provider} {verified:?}");
        let other = verifier.verify(&headers(pairs), br#"{"n":2}"#);
        assert_eq!(
            other,
            Err(VerifyError::NoSignatureMatched {
                signatures: 1,
                secrets: 1
            }),
            "{provider}"
        );
    }
    let gitlab = verifier(Provider::GitLab, "a token");
    assert!(
        gitlab
            .verify(&headers(&[("X-Gitlab-Token", "a token")]), b"{}")
            .is_ok()
    );
    for wrong in ["a toke", "a token.", "A token"] {
        assert!(
            gitlab
                .verify(&headers(&[("X-Gitlab-Token", wrong)]), b"{}")
                .is_err()
        );
    }
}

#[test]
fn a_signed_body_without_linears_time_or_with_an_old_one_is_refused() {
    let verifier = verifier(Provider::Linear, "lin_wh_secret");
    let verify = |body: &str| {
        let headers = signed(Provider::Linear, "lin_wh_secret", body.as_bytes());
        verifier.verify(&headers, body.as_bytes())
    };
    assert!(verify(r#"{"webhookTimestamp":1700000299000}"#).is_ok());
    assert!(matches!(
        verify(r#"{"webhookTimestamp":1699999699000}"#),
        Err(VerifyError::TooOld { .. })
    ));
    let unknown = Err(VerifyError::NoBodyTime {
        field: "webhookTimestamp",
    });
    for body in ["{}", "[]", "", r#"{"webhookTimestamp":"1700000000000"}"#] {
        assert_eq!(verify(body), unknown, "{body}");
    }
}

#[tokio::test]
async fn each_provider_brings_its_own_body_limit() {
    let body = format!(r#"{{"n":1,"text":"{}"}}"#, "x".repeat(300_000)).into_bytes();
    for (provider, status) in [
        (Provider::GitHub, StatusCode::OK),
        (Provider::GitLab, StatusCode::OK),
        (Provider::Shopify, StatusCode::OK),
        (Provider::Meta, StatusCode::OK),
        (Provider::Slack, StatusCode::PAYLOAD_TOO_LARGE),
        (Provider::Stripe, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let mut headers = signed(provider, "a secret", &body);
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let verifier = verifier(provider, "a secret");
        let (found, _) = answer(verifier.clone(), headers.clone(), body.clone()).await;
        assert_eq!(found, status, "{provider}");
        let (found, _) = answer(verifier.body_limit(100_000), headers, body.clone()).await;
        assert_eq!(found, StatusCode::PAYLOAD_TOO_LARGE, "{provider}");
    }
}

#[tokio::test]
async fn the_form_of_github_and_slack_is_read_as_the_json_in_it() {
    for (provider, status) in [
        (Provider::GitHub, StatusCode::OK),
        (Provider::Slack, StatusCode::OK),
        (Provider::Zoom, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let body = b"other=1&payload=%7B%22n%22%3A+1%7D";
        let mut headers = signed(provider, "a secret", body);
        headers.insert("content-type", HeaderValue::from_static(FORM));
        let verifier = verifier(provider, "a secret");
        let (found, text) = answer(verifier, headers, body.to_vec()).await;
        assert_eq!(found, status, "{provider}");
        assert!(status != StatusCode::OK || text == "n 1", "{text}");
    }
}

#[tokio::test]
async fn a_question_whether_the_url_is_ours_is_answered_when_it_is_signed() {
    let discord = Secret::generate_ed25519().expose();
    for (provider, secret, body, expected) in [
        (
            Provider::Slack,
            "a secret",
            r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#,
            (StatusCode::OK, "3eZbrw1a"),
        ),
        (
            Provider::Zoom,
            "zoom-secret",
            r#"{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}"#,
            (
                StatusCode::OK,
                r#"{"encryptedToken":"b17f0320a1322a509340a1a835b3d9edbc491f0b0790ed2d20d0604d39dfe922","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}"#,
            ),
        ),
        (
            Provider::Discord,
            &discord,
            r#"{"type":1,"id":"1","application_id":"2"}"#,
            (StatusCode::OK, r#"{"type":1}"#),
        ),
        (
            Provider::Discord,
            &discord,
            r#"{"type":0}"#,
            (StatusCode::NO_CONTENT, ""),
        ),
        (
            Provider::Discord,
            &discord,
            r#"{"type":1,"event":{"type":"ENTITLEMENT_CREATE"},"n":1}"#,
            (StatusCode::OK, "n 1"),
        ),
        (
            Provider::Zoom,
            "zoom-secret",
            r#"{"event":"meeting.started","payload":{},"n":1}"#,
            (StatusCode::OK, "n 1"),
        ),
    ] {
        let mut headers = signed(provider, secret, body.as_bytes());
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let verifier = verifier(provider, secret);
        let (status, text) = answer(verifier.clone(), headers, body.into()).await;
        assert_eq!((status, &*text), expected, "{provider} {body}");
        let (status, _) = answer(verifier, HeaderMap::new(), body.into()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{provider} {body}");
    }
}

/// What is signed is the text; what arrives was written by a client, and means the same.
#[test]
fn the_spellings_of_one_url_are_the_same_to_twilio_and_another_url_is_not() {
    let token = Provider::Twilio.key("12345").unwrap();
    let verifier = verifier(Provider::Twilio, "12345");
    let sign = |url: &str| {
        let what = ToSign {
            id: "",
            timestamp_s: 0,
            url,
            content_type: None,
            body: b"",
        };
        let made = Provider::Twilio.sign(&token, &what).unwrap();
        headers(&[(made[0].0, &made[0].1)])
    };
    for (configured, arrives) in [
        ("https://a.example/x?q=it's", "https://a.example/x?q=it%27s"),
        ("https://a.example/x?q=it%27s", "https://a.example/x?q=it's"),
        (
            "https://a.example/x?q=\"a\"",
            "https://a.example/x?q=%22a%22",
        ),
        (
            "https://a.example/gr\u{fc}\u{df}e?\u{e9}=\u{20ac}",
            "https://a.example/gr%C3%BC%C3%9Fe?%C3%A9=%E2%82%AC",
        ),
        ("https://a.example", "https://a.example/"),
        ("https://a.example?b=1", "https://a.example/?b=1"),
        ("https://a.example/", "https://a.example"),
        ("https://A.Example/x", "https://A.Example:443/x"),
        ("https://a.example:443/x", "https://a.example/x"),
        (
            "http://a.example:80/x?b=it's",
            "http://a.example/x?b=it%27s",
        ),
        (
            "https://a.example/x?z=1&a=a%20b%2Cc",
            "https://a.example/x?z=1&a=a+b,c",
        ),
        (
            "https://user:pass@a.example/x",
            "https://user:pass@a.example:443/x",
        ),
        ("https://[::1]:443/x", "https://[::1]/x"),
    ] {
        assert!(
            verifier.verify_url(arrives, &sign(configured), b"").is_ok(),
            "{configured} {arrives}"
        );
    }
    for (configured, arrives) in [
        ("https://a.example/x?a=1&b=2", "https://a.example/x?b=2&a=1"),
        (
            "https://a.example/x?a=1&b=2",
            "https://a.example/x?a=1%26b=2",
        ),
        ("https://a.example/x?a=1", "https://a.example/x%3Fa=1"),
        ("https://a.example/a/b", "https://a.example/a%2Fb"),
        ("https://a.example/x?a=1%2B1", "https://a.example/x?a=1+1"),
        ("https://a.example/x", "https://a.example/x/"),
        ("https://a.example/x", "http://a.example/x"),
        ("https://a.example/x", "https://b.example/x"),
    ] {
        assert!(
            verifier
                .verify_url(arrives, &sign(configured), b"")
                .is_err(),
            "{configured} {arrives}"
        );
    }
}

#[test]
fn a_body_that_a_signature_would_not_cover_is_not_signed() {
    let token = Provider::Twilio.key("12345").unwrap();
    let sign = |url: &'static str, content_type| {
        let what = ToSign {
            id: "",
            timestamp_s: 0,
            url,
            content_type,
            body: b"{}",
        };
        Provider::Twilio.sign(&token, &what)
    };
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(
        sign("https://a.example/", Some("application/json")),
        Err(SignError::BodyNotCovered {
            provider: Provider::Twilio,
            hash: hash.to_owned()
        })
    );
    assert!(sign("https://a.example/", Some(FORM)).is_ok());
    assert!(sign("https://a.example/?bodySHA256=0", Some("application/json")).is_ok());
    let public = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
    let what = ToSign {
        id: "",
        timestamp_s: 0,
        url: "",
        content_type: None,
        body: b"{}",
    };
    let key = Provider::Discord.key(public).unwrap();
    let provider = Provider::Discord;
    assert_eq!(
        provider.sign(&key, &what),
        Err(SignError::CannotSign { provider })
    );
}

#[tokio::test]
async fn what_is_not_sent_as_a_form_is_not_read_as_one() {
    async fn hook(request: VerifiedBody) -> (StatusCode, String) {
        match request.form() {
            Ok(fields) => (StatusCode::OK, format!("{fields:?}")),
            Err(error) => (error.status(), error.to_string()),
        }
    }
    let router = Router::new()
        .route("/", post(hook))
        .with_state(verifier(Provider::GitHub, "a secret"));
    let refused = |named: &str| {
        let text = format!("the content type is {named}, not application/x-www-form-urlencoded");
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    };
    let long = format!("text/{}", "x".repeat(1_000));
    for (content_type, expected) in [
        (
            Some("application/x-www-form-urlencoded; charset=utf-8"),
            (
                StatusCode::OK,
                r#"[("{\"a\":\"b", ""), ("c", "d\"}")]"#.to_owned(),
            ),
        ),
        (Some("application/json"), refused("\"application/json\"")),
        (Some("text/plain"), refused("\"text/plain\"")),
        (Some(&*long), refused(&format!("{:?}", &long[..100]))),
        (None, refused("missing")),
    ] {
        let body = r#"{"a":"b&c=d"}"#;
        let mut request = Request::post("/").body(Body::from(body)).unwrap();
        *request.headers_mut() = signed(Provider::GitHub, "a secret", body.as_bytes());
        if let Some(content_type) = content_type {
            let headers = request.headers_mut();
            headers.insert("content-type", content_type.parse().unwrap());
        }
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert_eq!((status, text), expected, "{content_type:?}");
    }
}
