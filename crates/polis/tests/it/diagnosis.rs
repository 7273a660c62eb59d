//! Why a signature is valid or not, and that webhooks-core agrees on which ones are valid.

use bytes::Bytes;
use jiff::Timestamp;
use polis::{
    Diagnosis, FindingKind, Head, Listener, Preset, ScopeSettings, Settings, SigningSecret, ToSign,
    Verdict, Verification, diagnose, sign,
};
use webhooks_core::Secret;

use crate::wire::client;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &[u8] = br#"{"id":"1","event":"random_number:generate","data":863}"#;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

pub(crate) fn secret(text: &str, preset: Preset) -> SigningSecret {
    SigningSecret::new(text, preset).unwrap()
}

pub(crate) fn verification(preset: Preset, secrets: &[&str]) -> Verification {
    Verification {
        preset,
        secrets: secrets.iter().map(|text| secret(text, preset)).collect(),
        old_secrets: Vec::new(),
        public_url: Some("https://example.com/".into()),
        enforce: false,
    }
}

pub(crate) fn head(headers: &[(String, String)]) -> Head {
    let mut raw = String::from("POST /hooks?a=1 HTTP/1.1\r\nHost: example.com\r\n");
    for (name, value) in headers {
        raw.push_str(&format!("{name}: {value}\r\n"));
    }
    raw.push_str("\r\n");
    Head::parse(Bytes::from(raw)).unwrap()
}

pub(crate) fn signed(
    preset: Preset,
    text: &str,
    body: &[u8],
    at: Timestamp,
) -> Vec<(String, String)> {
    let what = ToSign {
        id: "msg_1",
        at,
        url: "https://example.com/hooks?a=1",
        content_type: None,
        body,
    };
    sign(preset, &secret(text, preset), &what).unwrap()
}

pub(crate) fn judge(
    verification: &Verification,
    headers: &[(String, String)],
    body: &[u8],
) -> Diagnosis {
    diagnose(verification, &[], &head(headers), body, now())
}

pub(crate) fn first(diagnosis: &Diagnosis) -> (Verdict, FindingKind) {
    (diagnosis.verdict, diagnosis.findings[0].kind)
}

#[test]
fn what_is_signed_rightly_is_verified_and_by_which_secret() {
    for preset in Preset::all() {
        let [other, right] = match preset {
            Preset::Discord => std::array::from_fn(|_| Secret::generate_ed25519().expose()),
            _ => [OTHER.to_owned(), SECRET.to_owned()],
        };
        let verification = verification(preset, &[&other, &right]);
        let body: &[u8] = match preset {
            // Twilio signs a body by its form's parameters, and there is no form here.
            Preset::Twilio => b"",
            Preset::Linear => br#"{"webhookTimestamp":1700000000000}"#,
            _ => BODY,
        };
        let diagnosis = judge(&verification, &signed(preset, &right, body, now()), body);
        assert_eq!(diagnosis.text, "ok (secret 2 of 2)", "{preset}");
        assert_eq!(diagnosis.secret, Some(2), "{preset}");
    }
}

#[test]
fn the_published_known_answers_are_verified() {
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let standard = diagnose(
        &verification(Preset::Standard, &[OTHER]),
        &[],
        &head(&[
            header("webhook-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            header("webhook-timestamp", "1649367553"),
            header(
                "webhook-signature",
                "v1,AAAA v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ]),
        br#"{"email":"test@example.com","username":"test_user"}"#,
        at(1_649_367_553),
    );
    assert_eq!(standard.verdict, Verdict::Ok, "{standard:?}");
    let github = judge(
        &verification(Preset::GitHub, &["It's a Secret to Everybody"]),
        &[header(
            "X-Hub-Signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        )],
        b"Hello, World!",
    );
    assert_eq!(github.verdict, Verdict::Ok, "{github:?}");
    let stripe = diagnose(
        &verification(Preset::Stripe, &["whsec_test_secret"]),
        &[],
        &head(&[header(
            "Stripe-Signature",
            "t=1700000000,v1=13941114bb88ac44a76abcfddea5b92aa6182a4b63d8be3aae908a616083bd7e",
        )]),
        br#"{"id":"evt_test"}"#,
        at(1_700_000_010),
    );
    assert_eq!(stripe.verdict, Verdict::Ok, "{stripe:?}");
    let shopify = judge(
        &verification(Preset::Shopify, &["secret"]),
        &[header(
            "X-Shopify-Hmac-SHA256",
            "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=",
        )],
        b"{}",
    );
    assert_eq!(shopify.verdict, Verdict::Ok, "{shopify:?}");
}

#[test]
fn twilios_known_answers_are_verified_and_a_wrong_url_is_named() {
    let form = b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    let request = |host: &str, signature: &str| {
        Head::parse(Bytes::from(format!(
            "POST /myapp.php?foo=1&bar=2 HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {signature}\r\n\r\n"
        )))
        .unwrap()
    };
    let mut verification = verification(Preset::Twilio, &["12345"]);
    verification.public_url = Some("https://mycompany.com/".into());
    let right = request("internal", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    let diagnosis = diagnose(&verification, &[], &right, form, now());
    assert_eq!(diagnosis.verdict, Verdict::Ok, "{diagnosis:?}");
    // The default port written out is the same URL.
    let with_port = request("internal", "kvajT1Ptam85bY51eRf/AJRuM3w=");
    let diagnosis = diagnose(&verification, &[], &with_port, form, now());
    assert_eq!(diagnosis.verdict, Verdict::Ok, "{diagnosis:?}");

    verification.public_url = None;
    let plain = request("mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    let diagnosis = diagnose(&verification, &[], &plain, form, now());
    assert_eq!(first(&diagnosis), (Verdict::Failed, FindingKind::Url));
    assert!(
        diagnosis.text.contains("https:// instead of http://"),
        "{}",
        diagnosis.text
    );
    let local = request("mycompany.com:9000", "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    let diagnosis = diagnose(&verification, &[], &local, form, now());
    assert!(
        diagnosis.text.contains("no port instead of :9000"),
        "{}",
        diagnosis.text
    );
}

#[test]
fn twilios_body_hash_is_checked() {
    let url = "https://example.com/hooks?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let what = ToSign {
        id: "",
        at: now(),
        url,
        content_type: Some("application/json"),
        body: b"",
    };
    let signature = &sign(Preset::Twilio, &secret("12345", Preset::Twilio), &what).unwrap()[0].1;
    let head = Head::parse(Bytes::from(format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nX-Twilio-Signature: {signature}\r\n\r\n",
        url.trim_start_matches("https://example.com")
    )))
    .unwrap();
    let verification = verification(Preset::Twilio, &["12345"]);
    let body = br#"{"property": "value", "boolean": true}"#;
    let right = diagnose(&verification, &[], &head, body, now());
    assert_eq!(right.verdict, Verdict::Ok, "{right:?}");
    let changed = diagnose(&verification, &[], &head, b"{}", now());
    assert_eq!(first(&changed), (Verdict::Failed, FindingKind::Body));
}

#[test]
fn twilios_signature_of_the_url_alone_covers_no_body() {
    let signature = signed(Preset::Twilio, "12345", b"", now()).remove(0).1;
    let verification = verification(Preset::Twilio, &["12345"]);
    let judge = |kinds: &[&str], body: &[u8]| {
        let mut headers = vec![("X-Twilio-Signature".to_owned(), signature.clone())];
        headers.extend(
            kinds
                .iter()
                .map(|kind| ("Content-Type".to_owned(), (*kind).to_owned())),
        );
        diagnose(&verification, &[], &head(&headers), body, now())
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(judge(&[], b"").verdict, Verdict::Ok);
    assert_eq!(judge(&[form], b"").verdict, Verdict::Ok);
    for (kinds, body) in [
        (&["application/json"][..], &br#"{"To":"+15005550006"}"#[..]),
        (&["text/plain"], b"To=1"),
        (&["multipart/form-data; boundary=x"], b"--x--"),
        (&["application/x-www-form-urlencoded-not"], b"To=1"),
        (&["application/json", form], b"To=1"),
        (&[form, "application/json"], b"To=1"),
        (&[], b"To=1"),
        (&[form], b"To=1"),
    ] {
        let diagnosis = judge(kinds, body);
        assert_eq!(
            diagnosis.verdict,
            Verdict::Failed,
            "{kinds:?}: {diagnosis:?}"
        );
    }
    let json = judge(&["application/json"], b"{}");
    assert_eq!(first(&json), (Verdict::Failed, FindingKind::Body));
    assert!(
        json.text.contains("nothing signs the body"),
        "{}",
        json.text
    );
}

#[test]
fn old_and_foreign_secrets_are_named() {
    let mut verification = verification(Preset::Standard, &[SECRET]);
    let headers = signed(Preset::Standard, OTHER, BODY, now());
    let unknown = judge(&verification, &headers, BODY);
    assert_eq!(first(&unknown), (Verdict::Failed, FindingKind::Unknown));

    let others = [("acme".to_owned(), secret(OTHER, Preset::Standard))];
    let foreign = diagnose(&verification, &others, &head(&headers), BODY, now());
    assert_eq!(first(&foreign), (Verdict::Failed, FindingKind::OtherSecret));
    assert!(foreign.text.contains("acme"), "{}", foreign.text);

    verification.old_secrets = vec![secret(OTHER, Preset::Standard)];
    let old = judge(&verification, &headers, BODY);
    assert_eq!(first(&old), (Verdict::Failed, FindingKind::OldSecret));
}

#[test]
fn timestamps_are_judged_both_ways() {
    let verification = verification(Preset::Standard, &[SECRET]);
    let shifted = |seconds: i64| {
        let at = Timestamp::from_second(now().as_second() + seconds).unwrap();
        judge(
            &verification,
            &signed(Preset::Standard, SECRET, BODY, at),
            BODY,
        )
    };
    assert_eq!(shifted(-300).verdict, Verdict::Ok);
    let old = shifted(-412);
    assert_eq!(old.text, "the timestamp is 412 s old (limit 300)");
    assert_eq!(old.timestamp_age_s, Some(412));
    assert!(shifted(301).text.contains("301 s in the future"));
    let mut headers = signed(Preset::Standard, SECRET, BODY, now());
    headers[1].1 = i64::MIN.to_string();
    assert_eq!(
        judge(&verification, &headers, BODY).verdict,
        Verdict::Failed
    );
    headers[1].1 = now().as_millisecond().to_string();
    let findings = judge(&verification, &headers, BODY).findings;
    assert!(
        findings.iter().any(|f| f.text.contains("milliseconds")),
        "{findings:?}"
    );
}

#[test]
fn one_secret_is_spoken_of_as_one() {
    let told = |secrets: &[&str]| {
        let verification = verification(Preset::GitHub, secrets);
        let headers = signed(Preset::GitHub, "another", BODY, now());
        judge(&verification, &headers, BODY).text
    };
    assert!(told(&["one"]).starts_with("the secret does not explain the signature"));
    assert!(told(&["one", "two"]).starts_with("none of 2 secrets explains the signature"));
    let fault = SigningSecret::new("whsec_!", Preset::Standard).unwrap_err();
    assert!(fault.to_string().contains("(7 characters)"), "{fault}");
}

#[test]
fn another_encoding_and_another_key_are_explained() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let github = verification(Preset::GitHub, &[SECRET]);
    let mut headers = signed(Preset::GitHub, SECRET, BODY, now());
    let bytes = hex::decode(headers[1].1.trim_start_matches("sha256=")).unwrap();
    headers[1].1 = format!("sha256={}", STANDARD.encode(bytes));
    let diagnosis = judge(&github, &headers, BODY);
    assert_eq!(first(&diagnosis), (Verdict::Failed, FindingKind::Encoding));
    assert!(
        diagnosis.text.contains("base64; expected hex"),
        "{}",
        diagnosis.text
    );

    // Stripe's way to use a whsec_ secret, and the way of Standard Webhooks, each for the other.
    let standard = verification(Preset::Standard, &[SECRET]);
    let body = format!("msg_1.{}.", now().as_second());
    let content = [body.as_bytes(), BODY].concat();
    let mac = signed(Preset::GitHub, SECRET, &content, now());
    let bytes = hex::decode(mac[1].1.trim_start_matches("sha256=")).unwrap();
    let mut headers = signed(Preset::Standard, SECRET, BODY, now());
    headers[2].1 = format!("v1,{}", STANDARD.encode(bytes));
    let diagnosis = judge(&standard, &headers, BODY);
    assert_eq!(first(&diagnosis), (Verdict::Failed, FindingKind::Key));
    assert!(diagnosis.text.contains("not decoded"), "{}", diagnosis.text);
}

#[test]
fn another_content_and_wrong_headers_are_explained() {
    let standard = verification(Preset::Standard, &[SECRET]);
    let mut headers = signed(Preset::Standard, SECRET, BODY, now());
    let id = headers.remove(0);
    let missing = judge(&standard, &headers, BODY);
    assert!(
        missing
            .findings
            .iter()
            .any(|f| f.text == "webhook-id is missing"),
        "{missing:?}"
    );
    headers.insert(0, id);
    headers.push(headers[2].clone());
    let twice = judge(&standard, &headers, BODY);
    assert_eq!(first(&twice), (Verdict::Failed, FindingKind::Header));
    assert!(twice.text.contains("came 2 times"), "{}", twice.text);

    let none = judge(&standard, &[], BODY);
    assert_eq!(none.verdict, Verdict::Missing);
    assert_eq!(none.text, "there is no webhook-signature header");

    let slack = verification(Preset::Slack, &[SECRET]);
    let stripe = signed(Preset::Stripe, SECRET, BODY, now());
    let (_, hex) = stripe[0].1.split_once("v1=").unwrap();
    let headers = [
        (
            "X-Slack-Request-Timestamp".to_owned(),
            now().as_second().to_string(),
        ),
        ("X-Slack-Signature".to_owned(), format!("v0={hex}")),
    ];
    let diagnosis = judge(&slack, &headers, BODY);
    assert_eq!(first(&diagnosis), (Verdict::Failed, FindingKind::Content));
}

#[test]
fn ed25519_signatures_are_verified_by_the_public_key() {
    use webhooks_core::{Secret, receive::Verifier};
    let pair = Secret::generate_ed25519();
    let headers = signed(Preset::Standard, &pair.expose(), BODY, Timestamp::now());
    assert!(headers[2].1.starts_with("v1a,"), "{headers:?}");
    let map: http::HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<http::HeaderName>().unwrap(),
                value.parse().unwrap(),
            )
        })
        .collect();
    Verifier::standard([pair.clone()])
        .verify(&map, BODY)
        .unwrap();

    let seed_and_public = pair.expose();
    let bytes = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        seed_and_public.trim_start_matches("whsk_"),
    )
    .unwrap();
    let public = format!(
        "whpk_{}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes[32..])
    );
    let mut verification = verification(Preset::Standard, &[SECRET, &public]);
    let right = diagnose(&verification, &[], &head(&headers), BODY, Timestamp::now());
    assert_eq!(right.text, "ok (secret 2 of 2)");
    let changed = diagnose(&verification, &[], &head(&headers), b"{}", Timestamp::now());
    assert_eq!(first(&changed), (Verdict::Failed, FindingKind::Unknown));
    verification.old_secrets = vec![verification.secrets.remove(1)];
    let old = diagnose(&verification, &[], &head(&headers), BODY, Timestamp::now());
    assert_eq!(first(&old), (Verdict::Failed, FindingKind::OldSecret));
}

#[test]
fn the_exact_signed_string_is_told() {
    let standard = verification(Preset::Standard, &[SECRET]);
    let diagnosis = judge(
        &standard,
        &signed(Preset::Standard, SECRET, BODY, now()),
        BODY,
    );
    let expected = [b"msg_1.1700000000.", BODY].concat();
    assert_eq!(diagnosis.signed(BODY), expected);
}

#[test]
fn webhooks_core_verifies_what_polis_signs() {
    use webhooks_core::{Secret, SharedSecret, receive::Verifier};
    let shared = || [SECRET.parse::<SharedSecret>().unwrap()];
    let url = "https://example.com/hooks?a=1";
    for (preset, verifier) in [
        (
            Preset::Standard,
            Verifier::standard([Secret::parse(SECRET).unwrap()]),
        ),
        (Preset::GitHub, Verifier::github(shared())),
        (Preset::Stripe, Verifier::stripe(shared())),
        (Preset::Slack, Verifier::slack(shared())),
        (Preset::Shopify, Verifier::shopify(shared())),
        (Preset::Twilio, Verifier::twilio(shared(), url)),
    ] {
        // A body that is not a form is signed through the hash in the query.
        let body = if preset == Preset::Twilio { b"" } else { BODY };
        let headers: http::HeaderMap = signed(preset, SECRET, body, Timestamp::now())
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<http::HeaderName>().unwrap(),
                    value.parse().unwrap(),
                )
            })
            .collect();
        let verified = verifier.verify_url(url, &headers, body);
        assert!(verified.is_ok(), "{preset}: {verified:?}");
    }
}

#[tokio::test]
async fn enforcing_answers_401_and_captures_all_the_same() {
    let mut verification = verification(Preset::GitHub, &["a-secret"]);
    verification.enforce = true;
    let listener = Listener::start_with(Settings {
        default_scope: ScopeSettings {
            verification: Some(verification),
            ..ScopeSettings::default()
        },
        ..Settings::quiet()
    })
    .await
    .unwrap();
    let right = signed(Preset::GitHub, "a-secret", BODY, now());
    let client = client();
    let mut request = client.post(listener.url()).body(BODY);
    for (name, value) in right {
        request = request.header(name, value);
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
    let wrong = client.post(listener.url()).body(BODY).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let up = client.get(listener.url()).send().await.unwrap();
    assert_eq!(up.status(), 200);
    let requests = listener.wait_for(3).await.unwrap();
    assert_eq!(&requests[1].body[..], BODY);
    assert!(requests[2].diagnosis.is_none());
}
