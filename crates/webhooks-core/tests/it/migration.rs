//! Files that older versions wrote: brought up to date, and what they owe is delivered.
//!
//! `tests/files` has files written by those versions themselves: a retry that waits, a lane in
//! trouble, a blocked ordered endpoint, a paused one, one that answered 410, one that was removed,
//! rotated secrets, and a table of the app's own.
#![cfg(all(feature = "testing", feature = "receive"))]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use webhooks_core::{
    Builder, DeliveryFilter, DeliveryState, EndReason, EndpointState, OpenError, Secret,
    receive::Verifier,
    testing::{ManualClock, Receiver},
};

use crate::world::{builder, hours, seconds};

/// When the files were written: 2027-01-01, and six seconds.
const WRITTEN: Duration = Duration::from_secs(1_798_761_606);
/// The secret of every endpoint in the files.
const SECRET: &str = "whsec_b2xkIHNlY3JldCBvZiBhbiBvbGQgZmlsZSwgMzIgYnl0ZXM=";
const KEY: [u8; 32] = [7; 32];

struct OldFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl OldFile {
    fn copy(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.db");
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
        std::fs::copy(files.join(name), &path).unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    fn address(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.path).unwrap()
    }

    fn number(&self, sql: &str) -> i64 {
        let connection = self.connection();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn clock_at(since_written: Duration) -> Arc<ManualClock> {
    let wall = SystemTime::UNIX_EPOCH + WRITTEN + since_written;
    Arc::new(ManualClock::starting_at(wall))
}

/// Opens a file that an older version left, and delivers what it owes. Its endpoints are at
/// `address` of the loopback network, which nothing else uses.
async fn deliver_what_is_owed(name: &str, address: &str, change: impl Fn(Builder) -> Builder) {
    let file = OldFile::copy(name);
    let receiver = Receiver::start_at(address.parse().unwrap()).await.unwrap();
    let clock = clock_at(seconds(1));
    let webhooks = change(builder(&clock)).open(&file.address()).await.unwrap();
    assert_eq!(webhooks.pending().await.unwrap(), 10);
    for _ in 0..10 {
        clock.advance(seconds(70));
        webhooks.drain().await;
    }
    let mut arrived = receiver.event_ids();
    arrived.sort();
    let expected = [
        "first", "lane0", "lane1", "lane2", "lane3", "lane4", "retried", "second", "third",
    ];
    assert_eq!(arrived, expected);
    let ordered: Vec<String> = receiver
        .requests()
        .iter()
        .filter(|request| request.target == "/ordered")
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ordered, ["first", "second", "third"]);

    // Secrets, the URL's credentials and headers are as they were.
    let verifier = Verifier::standard([SECRET.parse::<Secret>().unwrap()]);
    for request in receiver.requests() {
        let signed_at: u64 = request.header("webhook-timestamp").parse().unwrap();
        let at = SystemTime::UNIX_EPOCH + seconds(signed_at);
        verifier
            .verify_at(&request.headers, &request.body, at)
            .unwrap_or_else(|error| panic!("{}: {error}", request.target));
        assert_eq!(request.header("authorization"), "Basic dXNlcjpwYXNz");
        if request.target == "/healthy" {
            assert_eq!(request.header("x-own"), "kept");
        }
    }

    // Events stored before the update are found among their customer's.
    for endpoint in webhooks.endpoints("acme").list().await.unwrap() {
        let endpoints = webhooks.endpoints("acme");
        let listed = endpoints.deliveries(&endpoint.id, DeliveryFilter::All, None, 10);
        let listed = listed.await.unwrap().deliveries;
        assert!(!listed.is_empty(), "{}", endpoint.url);
    }

    // The attempts before the update are on record with those after it.
    let retried = webhooks.deliveries("acme", "retried").await.unwrap();
    assert_eq!(retried[0].attempts.len(), 3);
    let gone = webhooks.deliveries("gone", "gone").await.unwrap();
    let ended = matches!(
        gone[0].state,
        DeliveryState::Ended {
            reason: EndReason::Disabled,
            ..
        }
    );
    assert!(ended, "{gone:?}");
    assert!(
        webhooks
            .endpoints("removed")
            .list()
            .await
            .unwrap()
            .is_empty()
    );

    let paused = webhooks.endpoints("paused");
    let endpoint = paused.list().await.unwrap().remove(0);
    assert_eq!(endpoint.state, EndpointState::Paused);
    paused.resume(&endpoint.id).await.unwrap();
    webhooks.drain().await;
    assert_eq!(receiver.event_ids().last().unwrap(), "held");
    assert_eq!(webhooks.pending().await.unwrap(), 0);
    webhooks.shutdown(seconds(5)).await;

    assert_eq!(file.number("select number from draw"), 863, "the app's own");
    assert_eq!(file.number("pragma user_version"), 0);
    assert_eq!(file.number("pragma application_id"), 0);
}

#[tokio::test]
async fn what_a_file_of_version_1_owes_arrives() {
    deliver_what_is_owed("version-1.db", "127.31.41.58:18471", |builder| builder).await;
}

#[tokio::test]
async fn what_a_file_of_version_2_owes_arrives() {
    deliver_what_is_owed("version-2.db", "127.31.41.59:18471", |builder| builder).await;
}

#[tokio::test]
async fn what_a_sealed_file_of_version_2_owes_arrives() {
    deliver_what_is_owed("version-2-sealed.db", "127.31.41.60:18471", |builder| {
        builder.encryption_key(KEY)
    })
    .await;
}

#[tokio::test]
async fn a_sealed_file_of_version_2_needs_its_key() {
    let file = OldFile::copy("version-2-sealed.db");
    let refused = builder(&clock_at(seconds(1))).open(&file.address()).await;
    assert!(matches!(refused, Err(OpenError::Key { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_version_1_owed_is_as_old_as_its_event() {
    let file = OldFile::copy("version-1.db");
    let clock = clock_at(hours(90));
    let webhooks = builder(&clock).open(&file.address()).await.unwrap();
    let younger =
        "select count(*) from webhooks_delivery d join webhooks_event e on e.seq = d.event_seq
                   where d.owed_at <> e.created_at";
    assert_eq!(file.number(younger), 0);
    // The program was not running for longer than its schedules last: that is not held against it.
    for _ in 0..3 {
        clock.advance(hours(1));
        webhooks.drain().await;
    }
    let deliveries = webhooks.deliveries("troubled", "lane4").await.unwrap();
    assert!(
        !matches!(deliveries[0].state, DeliveryState::Ended { .. }),
        "{deliveries:?}"
    );
}

#[tokio::test]
async fn what_an_app_sets_of_its_own_survives_the_next_start() {
    let file = OldFile::copy("version-2.db");
    let clock = clock_at(seconds(1));
    let open = async || builder(&clock).open(&file.address()).await.unwrap();
    open().await.shutdown(seconds(5)).await;
    file.connection()
        .execute_batch("pragma application_id = 0x77686b73; pragma user_version = 2")
        .unwrap();
    open().await.shutdown(seconds(5)).await;
    assert_eq!(file.number("pragma user_version"), 2);
    assert_eq!(file.number("pragma application_id"), 0x7768_6b73);
}

#[tokio::test]
async fn a_newer_file_is_refused_with_both_versions() {
    let file = OldFile::copy("version-2.db");
    let clock = clock_at(seconds(1));
    let open = async || builder(&clock).open(&file.address()).await;
    open().await.unwrap().shutdown(seconds(5)).await;
    let version = file.number("select version from webhooks_schema");
    file.connection()
        .execute_batch("update webhooks_schema set version = 999")
        .unwrap();
    let refused = open().await.unwrap_err().to_string();
    assert!(
        refused.contains("version 999") && refused.contains(&format!("up to {version}.")),
        "{refused}"
    );
}
