//! What the engine really delivers, over HTTP, checked by the official packages and OpenSSL.

use crate::{
    each_store::{Database, Store},
    official::packages::Package,
};
use http::HeaderMap;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use webhooks_core::testing::{ReceivedRequest, Receiver};
use webhooks_core::{Event, NewEndpoint, Secret, Webhooks};

/// Delivers one event of each shape to an endpoint with this secret.
async fn delivered(store: Store, secret: &Secret) -> Vec<ReceivedRequest> {
    let receiver = Receiver::start().await.unwrap();
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let Database { address, .. } = &store.database();
    let webhooks = builder.open(address).await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).secret(secret.clone());
    webhooks.endpoints("acme").add(endpoint).await.unwrap();
    let text = json!({ "text": "ünïcödé 🎲", "nested": [1, 2.5, null] });
    for data in [json!(863), text, Value::Null] {
        webhooks
            .send("acme", Event::new("random_number:generate", &data))
            .await
            .unwrap();
    }
    receiver.wait_for(3).await
}

fn question(secret: &Secret, request: &ReceivedRequest) -> Value {
    let text = |name: &str| request.header(name).to_owned();
    json!({
        "secret": secret.expose(),
        "public": secret.public_half().map(|public| public.expose()),
        "id": text("webhook-id"),
        "timestamp": text("webhook-timestamp").parse::<i64>().unwrap(),
        "body": std::str::from_utf8(&request.body).unwrap(),
        "signature": text("webhook-signature"),
    })
}

async fn accepted_by(store: Store, package: Package, secret: Secret) {
    for request in delivered(store, &secret).await {
        let answer = package.ask(&question(&secret, &request));
        assert_eq!(answer["accepted"], Value::Bool(true), "{answer}");
        assert_eq!(
            answer["accepted_other_body"],
            Value::Bool(false),
            "{answer}"
        );
    }
}

async fn the_crate_accepts_real_deliveries(store: Store) {
    let secret = Secret::generate();
    let theirs = Webhook::new(&secret.expose()).unwrap();
    for request in delivered(store, &secret).await {
        let headers: &HeaderMap = &request.headers;
        theirs.verify(&request.body, headers).unwrap();
        assert!(theirs.verify(b"{}", headers).is_err());
    }
}

async fn the_npm_package_accepts_real_deliveries(store: Store) {
    accepted_by(store, Package::npm("standard.mjs"), Secret::generate()).await;
}

async fn the_pypi_package_accepts_real_deliveries(store: Store) {
    accepted_by(store, Package::pypi("standard.py"), Secret::generate()).await;
}

async fn openssl_accepts_real_deliveries_signed_with_ed25519(store: Store) {
    accepted_by(
        store,
        Package::node("ed25519.mjs"),
        Secret::generate_ed25519(),
    )
    .await;
}

for_each_store!(
    the_crate_accepts_real_deliveries,
    the_npm_package_accepts_real_deliveries,
    the_pypi_package_accepts_real_deliveries,
    openssl_accepts_real_deliveries_signed_with_ed25519
);
