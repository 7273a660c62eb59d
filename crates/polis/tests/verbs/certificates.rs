//! send and replay over TLS, to servers whose certificates are trusted and to others.
//!
//! `SSL_CERT_FILE` says what is trusted; it has an effect only on Linux.
#![cfg(target_os = "linux")]

use std::{path::PathBuf, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use polis::Listener;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::run::polis;

/// A server that signed its own certificate and answers every request with 204.
struct Server {
    url: String,
    certificate: PathBuf,
    _folder: TempDir,
}

async fn server(name: &str, is_ca: IsCa) -> Server {
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
    parameters.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("certificate.pem");
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(certificate.der())
    );
    std::fs::write(&path, pem).unwrap();
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
    let url = format!("https://{}/x", listener.local_addr().unwrap());
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
    Server {
        url,
        certificate: path,
        _folder: folder,
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_known_signed_is_told_with_how_to_trust_it() {
    let ours = server("127.0.0.1", IsCa::NoCa).await;
    let other = server("127.0.0.1", IsCa::NoCa).await;
    let listener = Listener::start().await.unwrap();
    let sent = reqwest::Client::new().post(listener.url()).body("x");
    sent.send().await.unwrap();
    for arguments in [
        &["send", &ours.url, "--event", "a", "--unsigned"][..],
        &["replay", "1", "--to", &ours.url],
    ] {
        let with = |trusted: &Server| {
            polis(arguments)
                .at(&listener)
                .variable("SSL_CERT_FILE", trusted.certificate.to_str().unwrap())
        };
        let refused = with(&other).end().await;
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(
            refused.stderr.contains(&ours.url)
                && refused.stderr.contains("certificate is not trusted")
                && refused.stderr.contains("SSL_CERT_FILE"),
            "{refused:?}"
        );
        assert!(with(&ours).end().await.text(0).contains("-> 204"));
    }
}

#[tokio::test]
async fn a_certificate_that_is_wrong_in_itself_is_told_with_what_is_wrong() {
    let elsewhere = server("elsewhere.example", IsCa::NoCa).await;
    let authority = server("127.0.0.1", IsCa::Ca(BasicConstraints::Unconstrained)).await;
    let plain = Listener::start().await.unwrap();
    let plain_url = plain.url().replace("http://", "https://");
    for (url, trusted, told) in [
        (&elsewhere.url, &elsewhere, "elsewhere.example"),
        (&authority.url, &authority, "basicConstraints=CA:FALSE"),
        (&plain_url, &authority, "does not speak TLS"),
    ] {
        let ran = polis(&["send", url, "--event", "a", "--unsigned"])
            .variable("SSL_CERT_FILE", trusted.certificate.to_str().unwrap())
            .end()
            .await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}
