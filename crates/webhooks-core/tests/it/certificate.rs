//! Certificates of an authority that is trusted: good ones, and ones that are good no more.
//!
//! What is trusted is set for a whole process, so the test runs the one named `child` in its own.
#![cfg(all(feature = "testing", target_os = "linux"))]
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use crate::{each_store::Store, world::World};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use webhooks_core::{Event, Failure, Outcome};

/// Tells the child where to send; without it the child does nothing.
const URLS: &str = "CERTIFICATE_URLS";
/// Tells it where its database is.
const DATABASE: &str = "CERTIFICATE_DATABASE";

/// A server with a certificate of `issuer`; answers every request with 204.
async fn serve(issuer: &Issuer<'_, KeyPair>, name: &str, until_year: i32) -> String {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(until_year, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    // Not the process's default: with all features there are two to choose from.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that refuses does so in the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

/// Not a test: sends one event to each URL and says what came of it.
#[tokio::test]
#[ignore = "run by the other test, which sets what is trusted"]
async fn child() {
    let Ok(urls) = std::env::var(URLS) else {
        return;
    };
    let address = std::env::var(DATABASE).unwrap();
    let world = World::open(Arc::default(), &address, |builder| builder).await;
    for url in urls.split(' ') {
        // A customer each, so that one event has one delivery.
        world.webhooks.endpoints(url).add(url).await.unwrap();
        let event = Event::new("random_number:generate", &1);
        let sent = world.webhooks.send(url, event).await.unwrap();
        world.webhooks.drain().await;
        let deliveries = world
            .webhooks
            .deliveries(url, &sent.event_id)
            .await
            .unwrap();
        let attempts = &deliveries[0].attempts;
        assert_eq!(attempts.len(), 1, "{attempts:?}");
        match &attempts[0].outcome {
            Outcome::Success => println!("outcome success"),
            Outcome::Failure(Failure::Tls(problem)) => println!("outcome tls {problem}"),
            Outcome::Failure(failure) => println!("outcome other {failure:?}"),
        }
    }
}

async fn only_a_certificate_that_is_valid_now_and_for_this_name_is_accepted(store: Store) {
    let database = store.database();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("authority.pem");
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(authority.der())
    );
    std::fs::write(&trusted, pem).unwrap();
    let issuer = Issuer::new(parameters, key);
    let urls = [
        serve(&issuer, "127.0.0.1", 2200).await,
        serve(&issuer, "127.0.0.1", 2021).await,
        serve(&issuer, "elsewhere.example", 2200).await,
    ];
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "certificate::child", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .env(URLS, urls.join(" "))
        .env(DATABASE, &database.address)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    let outcomes: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("outcome "))
        .collect();
    let [good, expired, other_name] = outcomes[..] else {
        panic!("{said}");
    };
    assert_eq!(good, "success");
    assert!(
        expired.starts_with("tls ") && expired.contains("xpired"),
        "{expired}"
    );
    assert!(
        other_name.starts_with("tls ") && other_name.contains("name"),
        "{other_name}"
    );
}

for_each_store!(only_a_certificate_that_is_valid_now_and_for_this_name_is_accepted);
