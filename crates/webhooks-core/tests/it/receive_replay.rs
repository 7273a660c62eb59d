//! An id is handled once: many copies at once, failures in between, restarts, limits.
#![cfg(feature = "receive")]

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use futures_util::future::join_all;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt;
use webhooks_core::receive::{
    ClaimOutcome, OnceError, OnceOutcome, ReplayError, ReplayGuard, Verified, Verifier,
};
use webhooks_core::{Secret, signature};

/// A clock that tests move by hand.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000)))
    }

    fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn watched_by(&self, guard: ReplayGuard) -> ReplayGuard {
        let clock = self.clone();
        guard.clock(move || UNIX_EPOCH + Duration::from_secs(clock.0.load(Ordering::SeqCst)))
    }
}

struct Kinds {
    #[cfg(feature = "sqlite")]
    folder: tempfile::TempDir,
}

impl Kinds {
    fn new() -> Self {
        Self {
            #[cfg(feature = "sqlite")]
            folder: tempfile::tempdir().unwrap(),
        }
    }

    #[cfg(feature = "sqlite")]
    fn durable(&self) -> ReplayGuard {
        ReplayGuard::open(self.folder.path().join("replay.db")).unwrap()
    }

    /// Each behaviour holds for both ways to remember.
    fn all(&self) -> Vec<ReplayGuard> {
        vec![
            ReplayGuard::in_memory(),
            #[cfg(feature = "sqlite")]
            self.durable(),
        ]
    }
}

async fn granted(guard: &ReplayGuard, key: &str) -> webhooks_core::receive::KeyLease {
    match guard.claim(key).await.unwrap() {
        ClaimOutcome::Granted(lease) => lease,
        other => panic!("{key}: {other:?}"),
    }
}

async fn succeed(guard: &ReplayGuard, key: &str) -> OnceOutcome<()> {
    guard.once(key, || async { Ok::<_, ()>(()) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_copies_at_once_are_handled_once() {
    for guard in Kinds::new().all() {
        let handled = Arc::new(AtomicUsize::new(0));
        let go_on = Arc::new(Notify::new());
        let copies = (0..1000).map(|_| {
            let (guard, handled, go_on) = (guard.clone(), handled.clone(), go_on.clone());
            tokio::spawn(async move {
                guard
                    .once("evt_1", move || async move {
                        handled.fetch_add(1, Ordering::SeqCst);
                        go_on.notified().await;
                        Ok::<_, ()>(())
                    })
                    .await
                    .unwrap()
            })
        });
        let copies: Vec<_> = copies.collect();
        until(|| handled.load(Ordering::SeqCst) == 1).await;
        go_on.notify_one();
        let results = join_all(copies).await;
        let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        let count = |wanted| results.iter().filter(|&&result| result == wanted).count();
        assert_eq!(handled.load(Ordering::SeqCst), 1, "{guard:?}");
        assert_eq!(count(OnceOutcome::Handled(())), 1);
        assert_eq!(
            count(OnceOutcome::Already) + count(OnceOutcome::Underway),
            999
        );
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Already);
        assert_eq!(succeed(&guard, "evt_2").await, OnceOutcome::Handled(()));
    }
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_copy_that_comes_while_the_first_is_at_work_is_told_so() {
    for guard in Kinds::new().all() {
        let lease = granted(&guard, "evt_1").await;
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Underway);
        lease.confirm().await.unwrap();
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Already);
    }
}

#[tokio::test]
async fn after_a_failure_of_any_kind_the_retry_gets_through() {
    for guard in Kinds::new().all() {
        let guard = guard.time_limit(Duration::from_millis(20));
        let failed = guard
            .once("evt_1", || async { Err::<(), _>("no network") })
            .await;
        assert!(matches!(failed, Err(OnceError::Handler("no network"))));

        let panicked = guard
            .once("evt_1", || async { panic!("a bug") as Result<(), ()> })
            .await;
        assert!(matches!(panicked, Err(OnceError::Panicked)));

        let slow = guard.once("evt_1", pending::<Result<(), ()>>).await;
        assert!(matches!(slow, Err(OnceError::TooSlow { .. })));

        drop(granted(&guard, "evt_1").await);
        granted(&guard, "evt_1").await.release().await.unwrap();

        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Handled(()));
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Already);
    }
}

#[tokio::test]
async fn a_sender_that_hangs_up_does_not_stop_the_handler() {
    for guard in Kinds::new().all() {
        let (started, has_started) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let request = tokio::spawn({
            let guard = guard.clone();
            async move {
                guard
                    .once("evt_1", || async {
                        started.send(()).unwrap();
                        may_go_on.await
                    })
                    .await
            }
        });
        has_started.await.unwrap();
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Underway);
        go_on.send(()).unwrap();
        let deadline = tokio::time::timeout(Duration::from_secs(30), async {
            while succeed(&guard, "evt_1").await == OnceOutcome::Underway {
                tokio::task::yield_now().await;
            }
        });
        deadline.await.unwrap();
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Already);
    }
}

#[tokio::test]
async fn a_handled_id_is_forgotten_at_the_age_limit() {
    let clock = Clock::new();
    for guard in Kinds::new().all() {
        let guard = clock.watched_by(guard).max_age(Duration::from_secs(1000));
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Handled(()));
        clock.forward(999);
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Already);
        clock.forward(1);
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Handled(()));
    }
}

#[tokio::test]
async fn a_claim_nobody_confirms_ends_and_its_old_holder_is_fenced() {
    let clock = Clock::new();
    for guard in Kinds::new().all() {
        let guard = clock.watched_by(guard).time_limit(Duration::from_secs(60));
        let stale = granted(&guard, "evt_1").await;
        clock.forward(69);
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Underway);
        clock.forward(1);
        let fresh = granted(&guard, "evt_1").await;
        assert_eq!(
            stale.confirm().await.unwrap_err(),
            ReplayError::ClaimEnded {
                limit: Duration::from_secs(60)
            }
        );
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Underway);
        fresh.confirm().await.unwrap();
        assert_eq!(succeed(&guard, "evt_1").await, OnceOutcome::Already);
    }
}

#[tokio::test]
async fn memory_is_bounded_and_the_oldest_handled_id_goes_first() {
    let clock = Clock::new();
    let guard = clock.watched_by(ReplayGuard::in_memory()).max_keys(3);
    for key in ["a", "b", "c"] {
        assert_eq!(succeed(&guard, key).await, OnceOutcome::Handled(()));
        clock.forward(1);
    }
    assert_eq!(succeed(&guard, "d").await, OnceOutcome::Handled(()));
    for key in ["b", "c", "d"] {
        assert_eq!(succeed(&guard, key).await, OnceOutcome::Already, "{key}");
    }
    // What is being handled is never forgotten: when there is nothing else, no more is taken.
    let leases = [
        granted(&guard, "e").await,
        granted(&guard, "f").await,
        granted(&guard, "g").await,
    ];
    assert_eq!(
        guard.claim("h").await.unwrap_err(),
        ReplayError::Full { limit: 3 }
    );
    drop(leases);
    assert_eq!(succeed(&guard, "h").await, OnceOutcome::Handled(()));
}

#[tokio::test]
async fn keys_of_any_length_and_content_are_kept_apart() {
    let long = "x".repeat(1_000_000);
    for guard in Kinds::new().all() {
        for key in ["", " ", "\0", "ünï", &long, &long[1..]] {
            assert_eq!(succeed(&guard, key).await, OnceOutcome::Handled(()));
            assert_eq!(succeed(&guard, key).await, OnceOutcome::Already);
        }
    }
}

#[test]
fn each_outcome_answers_so_that_the_sender_does_the_right_thing() {
    let status = |response: axum::response::Response| response.status().as_u16();
    let failed = |error: OnceError<StatusCode>| error.into_response();
    assert_eq!(
        status(OnceOutcome::Handled(StatusCode::CREATED).into_response()),
        201
    );
    assert_eq!(status(OnceOutcome::<()>::Already.into_response()), 204);
    assert_eq!(status(OnceOutcome::<()>::Underway.into_response()), 409);
    assert_eq!(
        status(failed(OnceError::Handler(StatusCode::BAD_GATEWAY))),
        502
    );
    assert_eq!(
        status(failed(OnceError::TooSlow {
            limit: Duration::ZERO
        })),
        500
    );
    assert_eq!(status(failed(OnceError::Panicked)), 500);
    assert_eq!(
        status(failed(OnceError::Guard(ReplayError::Full { limit: 1 }))),
        503
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_signed_copies_reach_a_handler_behind_the_extractor_once() {
    #[derive(Clone)]
    struct App {
        verifier: Verifier,
        guard: ReplayGuard,
        texts: Arc<AtomicUsize>,
    }
    impl FromRef<App> for Verifier {
        fn from_ref(app: &App) -> Self {
            app.verifier.clone()
        }
    }
    async fn hook(
        State(app): State<App>,
        event: Verified<u32>,
    ) -> Result<OnceOutcome<StatusCode>, OnceError<StatusCode>> {
        let texts = app.texts;
        app.guard
            .once(&event.id, || async move {
                texts.fetch_add(1, Ordering::SeqCst);
                Ok(StatusCode::NO_CONTENT)
            })
            .await
    }
    let secret = Secret::generate();
    let body = r#"{"id":"evt_1","event":"random_number:generate","data":863}"#;
    let timestamp_s = i64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    )
    .unwrap();
    let signature = signature::sign(
        std::slice::from_ref(&secret),
        "evt_1",
        timestamp_s,
        body.as_bytes(),
    );
    let kinds = Kinds::new();
    for guard in kinds.all() {
        let texts = Arc::new(AtomicUsize::new(0));
        let app = App {
            verifier: Verifier::standard([secret.clone()]),
            guard,
            texts: texts.clone(),
        };
        let router = Router::new().route("/", post(hook)).with_state(app);
        let answers = join_all((0..1000).map(|_| {
            let request = Request::post("/")
                .header("content-type", "application/json")
                .header("webhook-id", "evt_1")
                .header("webhook-timestamp", timestamp_s)
                .header("webhook-signature", &signature)
                .body(Body::from(body))
                .unwrap();
            router.clone().oneshot(request)
        }))
        .await;
        for answer in answers {
            let status = answer.unwrap().status();
            assert!(
                status == StatusCode::NO_CONTENT || status == StatusCode::CONFLICT,
                "{status}"
            );
        }
        assert_eq!(texts.load(Ordering::SeqCst), 1);
    }
}

#[cfg(feature = "sqlite")]
mod durable {
    use super::*;

    #[tokio::test]
    async fn what_was_handled_stays_handled_after_a_restart_and_what_failed_gets_through() {
        let kinds = Kinds::new();
        let before = kinds.durable();
        assert_eq!(succeed(&before, "evt_1").await, OnceOutcome::Handled(()));
        let failed = before.once("evt_2", || async { Err::<(), _>(()) }).await;
        assert!(failed.is_err());
        drop(before);
        let after = kinds.durable();
        assert_eq!(succeed(&after, "evt_1").await, OnceOutcome::Already);
        assert_eq!(succeed(&after, "evt_2").await, OnceOutcome::Handled(()));
    }

    #[tokio::test]
    async fn a_claim_of_a_process_that_died_ends_by_itself() {
        let (kinds, clock) = (Kinds::new(), Clock::new());
        let before = clock.watched_by(kinds.durable());
        // A process that dies drops nothing.
        std::mem::forget(granted(&before, "evt_1").await);
        let after = clock.watched_by(kinds.durable());
        assert_eq!(succeed(&after, "evt_1").await, OnceOutcome::Underway);
        clock.forward(70);
        assert_eq!(succeed(&after, "evt_1").await, OnceOutcome::Handled(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn processes_that_share_the_file_share_what_they_know() {
        let kinds = Kinds::new();
        let guards = [kinds.durable(), kinds.durable(), kinds.durable()];
        let handled = Arc::new(AtomicUsize::new(0));
        let copies = (0..300).map(|index| {
            let (guard, handled) = (guards[index % 3].clone(), handled.clone());
            async move {
                guard
                    .once("evt_1", || async move {
                        handled.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, ()>(())
                    })
                    .await
                    .unwrap()
            }
        });
        join_all(copies).await;
        assert_eq!(handled.load(Ordering::SeqCst), 1);
        for guard in &guards {
            assert_eq!(succeed(guard, "evt_1").await, OnceOutcome::Already);
        }
    }

    #[tokio::test]
    async fn the_file_is_bounded_by_number_and_age() {
        let (kinds, clock) = (Kinds::new(), Clock::new());
        let guard = clock
            .watched_by(kinds.durable())
            .max_keys(500)
            .max_age(Duration::from_secs(1000));
        let rows = || -> i64 {
            let path = kinds.folder.path().join("replay.db");
            let reader = rusqlite::Connection::open(path).unwrap();
            reader
                .query_row("select count(*) from replay_guard", [], |row| row.get(0))
                .unwrap()
        };
        for batch in 0..4 {
            let all = (0..1000).map(|n| {
                let guard = guard.clone();
                async move { succeed(&guard, &format!("{batch}-{n}")).await }
            });
            join_all(all).await;
            clock.forward(1);
        }
        // The limit, and as many as may come between two counts.
        assert!((500..=1500).contains(&rows()), "{}", rows());
        assert_eq!(succeed(&guard, "3-999").await, OnceOutcome::Already);
        assert_eq!(succeed(&guard, "0-0").await, OnceOutcome::Handled(()));
        clock.forward(2000);
        for n in 0..4 {
            assert_eq!(
                succeed(&guard, &format!("late-{n}")).await,
                OnceOutcome::Handled(())
            );
        }
        assert_eq!(rows(), 4);
    }

    #[test]
    fn a_file_that_is_no_guards_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter.txt");
        std::fs::write(
            &path,
            "Dear reader, this is not a database at all. ".repeat(100),
        )
        .unwrap();
        let error = ReplayGuard::open(&path).unwrap_err();
        assert!(matches!(error, ReplayError::Open { .. }));
        assert!(error.to_string().contains("letter.txt"), "{error}");
        assert!(ReplayGuard::open(folder.path().join("no/such/folder.db")).is_err());
    }
}
