//! What polis signs is accepted by the official libraries of GitHub, Stripe, Twilio, Paddle, Linear,
//! Discord and Standard Webhooks.

use polis::Listener;
use serde_json::{Value, json};

use crate::{
    packages,
    run::{SECRET, polis},
};

/// Bodies with content that tends to be mangled in transit.
const DATA: [&str; 2] = [
    r#"{"b":"ünïcödé 🎲 and \"quotes\"","a":{"x":[1,2.50,null]}}"#,
    "{ \"spaces\" :\n\t\"1\" }",
];

fn assert_accepted(provider: &str, url: &str, headers: &Value, body: &str, secret: &str) {
    let answer = packages::ask(&json!({
        "provider": provider,
        "url": url,
        "headers": headers,
        "body": body,
        "other_body": if provider == "twilio" { "a=other" } else { "{\"other\":1}" },
        "secret": secret,
    }));
    assert_eq!(answer["accepted"], true, "{provider} {body} {headers}");
    assert_eq!(answer["accepted_other_body"], false, "{provider}");
}

/// Sends and signs; both must be accepted.
async fn accepted(provider: &str, secret: &str) {
    accepted_by(provider, secret, secret).await;
}

/// The same, when the library takes another secret than the one that signs.
async fn accepted_by(provider: &str, secret: &str, library_secret: &str) {
    let listener = Listener::start().await.unwrap();
    let url = listener.url() + "/hooks?a=%20b";
    for (index, data) in DATA.iter().enumerate() {
        polis(&[
            "send",
            &url,
            "--provider",
            provider,
            "--event",
            "some.event",
            "--data",
            data,
        ])
        .variable("POLIS_SECRETS", secret)
        .end()
        .await
        .text(0);
        let request = listener.wait_for(index + 1).await.unwrap()[index].clone();
        let headers: serde_json::Map<String, Value> = request
            .headers()
            .map(|(name, value)| {
                let value = std::str::from_utf8(value).unwrap();
                (name.to_ascii_lowercase(), value.into())
            })
            .collect();
        let body = std::str::from_utf8(&request.body).unwrap();
        assert_accepted(provider, &url, &headers.into(), body, library_secret);

        let signed = polis(&["sign", "--provider", provider, "--url", &url, "--json"])
            .variable("POLIS_SECRETS", secret)
            .stdin(body.as_bytes())
            .end()
            .await
            .json(0);
        let headers: serde_json::Map<String, Value> = signed[0]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        assert_accepted(provider, &url, &headers.into(), body, library_secret);
    }
}

#[tokio::test]
async fn githubs_library_accepts_what_polis_signs() {
    accepted("github", "ItsASecretToEverybody's").await;
}

#[tokio::test]
async fn stripes_library_accepts_what_polis_signs() {
    accepted("stripe", "whsec_4f1d6bb9e1b8a1a4c1").await;
}

#[tokio::test]
async fn twilios_library_accepts_what_polis_signs() {
    accepted("twilio", "12345678901234567890123456789012").await;
}

#[tokio::test]
async fn standard_webhooks_library_accepts_what_polis_signs() {
    accepted("standard", SECRET).await;
}

#[tokio::test]
async fn paddles_library_accepts_what_polis_signs() {
    accepted("paddle", "pdl_ntfset_01_secret").await;
}

#[tokio::test]
async fn linears_library_accepts_what_polis_signs() {
    accepted("linear", "lin_wh_secret").await;
}

#[tokio::test]
async fn githubs_library_accepts_what_polis_signs_for_meta() {
    accepted("meta", "an app's secret").await;
}

#[tokio::test]
async fn discords_library_accepts_what_polis_signs() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let pair = webhooks_core::Secret::generate_ed25519();
    let public = pair.public_half().unwrap().expose();
    let bytes = STANDARD.decode(public.trim_start_matches("whpk_")).unwrap();
    accepted_by("discord", &pair.expose(), &hex::encode(bytes)).await;
}
