//! TLS to Postgres: a server with a certificate of an authority of the test's own. A build of Postgres without TLS,
//! as that of PyPI, is passed over.
#![allow(clippy::print_stdout)]

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use scratch_postgres::{Cluster, Database, Settings};
use tempfile::TempDir;
use webhooks_core::{Event, OpenError, Webhooks, testing::Receiver};

use super::until;

/// Characters of a line of PEM.
const LINE: usize = 64;

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(LINE)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Who says of servers who they are.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    _folder: TempDir,
    /// Its certificate, as an address names it.
    file: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        let named = &mut parameters.distinguished_name;
        named.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, pem("CERTIFICATE", certificate.der())).unwrap();
        Self {
            issuer: Issuer::new(parameters, key),
            _folder: folder,
            file: file.display().to_string(),
        }
    }

    /// A server that has this name; `None` where it is built without TLS.
    fn server(&self, name: &str) -> Option<(Cluster, Database)> {
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let settings = Settings::quick().with_tls(
            pem("CERTIFICATE", certificate.der()),
            pem("PRIVATE KEY", &key.serialize_der()),
        );
        let cluster = match Cluster::start(settings) {
            Err(error)
                if error
                    .to_string()
                    .contains("SSL is not supported by this build") =>
            {
                return None;
            }
            started => started.unwrap(),
        };
        let database = cluster.database().unwrap();
        Some((cluster, database))
    }
}

async fn open(database: &Database, parameters: &str) -> Result<Webhooks, OpenError> {
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let address = format!("{}?schema=hooks&{parameters}", database.url());
    builder.open(&address).await
}

/// How many sessions of an engine are without TLS, and whether there are some.
const SESSIONS: &str = "
    select count(*) filter (where not s.ssl) || ' without, ' || (count(*) > 1)
    from pg_stat_ssl s join pg_stat_activity a using (pid)
    where a.application_name = 'webhooks-core' and a.datname = current_database()";

async fn delivers_in_private(database: &Database, parameters: &str) {
    let webhooks = open(database, parameters).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoints = webhooks.endpoints("acme");
    let id = endpoints.add(receiver.url()).await.unwrap().id;
    webhooks.send("acme", Event::new("a", &1)).await.unwrap();
    receiver.wait_for(1).await;
    until("it is stored", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(database.query(SESSIONS).unwrap(), "0 without, true");
    endpoints.remove(&id).await.unwrap();
    webhooks.shutdown(std::time::Duration::from_secs(5)).await;
}

fn problem(opened: Result<Webhooks, OpenError>) -> String {
    match opened.unwrap_err() {
        OpenError::Tls { problem, .. } => problem,
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_server_of_a_trusted_authority_is_spoken_to_in_private() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let Some((_cluster, database)) = authority.server("127.0.0.1") else {
        println!("skipped: this Postgres is built without TLS");
        return;
    };
    let verified = format!("sslmode=verify-full&sslrootcert={}", authority.file);
    let pooled = format!("{verified}&mode=pooled");
    for parameters in ["sslmode=require", &verified, &pooled] {
        delivers_in_private(&database, parameters).await;
    }
    let trusts_other = format!("sslmode=verify-full&sslrootcert={}", other.file);
    for parameters in ["sslmode=verify-full", &trusts_other] {
        let problem = problem(open(&database, parameters).await);
        assert!(problem.contains("UnknownIssuer"), "{problem}");
    }
    let missing = "sslmode=verify-ca&sslrootcert=/no/such/file.pem";
    let refused = open(&database, missing).await.unwrap_err().to_string();
    assert!(refused.contains("No such file"), "{refused}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused_only_where_that_is_asked_for() {
    let authority = Authority::new("ours");
    let Some((_cluster, database)) = authority.server("elsewhere.example") else {
        println!("skipped: this Postgres is built without TLS");
        return;
    };
    let from = |mode: &str| format!("sslmode={mode}&sslrootcert={}", authority.file);
    delivers_in_private(&database, &from("verify-ca")).await;
    let problem = problem(open(&database, &from("verify-full")).await);
    assert!(problem.contains("elsewhere.example"), "{problem}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required_with_what_to_do() {
    let database = Database::create().unwrap();
    for mode in ["require", "verify-full"] {
        let refused = open(&database, &format!("sslmode={mode}")).await;
        let refused = refused.unwrap_err();
        assert!(matches!(refused, OpenError::Tls { .. }), "{refused:?}");
        let said = refused.to_string();
        for part in ["does not support TLS", "sslmode", "ssl = on"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
