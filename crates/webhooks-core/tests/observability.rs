//! What can be seen from outside: the log, spans, figures. A program of its own: subscriber and
//! recorder are the process's.
#![cfg(all(feature = "testing", feature = "metrics"))]
#![allow(clippy::unwrap_used)]

#[macro_use]
#[path = "it/each_store.rs"]
mod each_store;

use std::{
    collections::HashMap,
    io::Write,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tracing_subscriber::fmt::format::FmtSpan;
use webhooks_core::{
    Clock, Event, NewEndpoint, Webhooks,
    testing::{ManualClock, Receiver},
};

use each_store::{Database, Store};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// How long a test waits for what the engine does by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that was logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn of_process() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_ansi(false)
                .with_max_level(tracing::Level::DEBUG)
                .with_span_events(FmtSpan::CLOSE)
                .with_writer(move || writer.clone())
                .init();
            log
        });
        log.clone()
    }

    /// The lines that contain all of `parts`.
    fn lines(&self, parts: &[&str]) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .map(str::to_owned)
            .collect()
    }

    #[track_caller]
    fn says(&self, parts: &[&str]) {
        assert!(
            !self.lines(parts).is_empty(),
            "no line has all of {parts:?}"
        );
    }
}

/// Every figure, by its name and labels.
#[derive(Default)]
struct Figures {
    values: Mutex<HashMap<String, Arc<AtomicU64>>>,
    samples: Mutex<HashMap<String, Arc<Samples>>>,
}

#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

fn name(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!(" {}={}", label.key(), label.value()));
    std::iter::once(key.name().to_owned())
        .chain(labels)
        .collect()
}

struct Recording(Arc<Figures>);

impl Recorder for Recording {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.0.value(&name(key)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.0.value(&name(key)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut samples = self.0.samples.lock().unwrap();
        Histogram::from_arc(Arc::clone(samples.entry(name(key)).or_default()))
    }
}

impl Figures {
    fn of_process() -> Arc<Self> {
        static FIGURES: OnceLock<Arc<Figures>> = OnceLock::new();
        let figures = FIGURES.get_or_init(|| {
            let figures = Arc::<Self>::default();
            metrics::set_global_recorder(Recording(Arc::clone(&figures))).unwrap();
            figures
        });
        Arc::clone(figures)
    }

    fn value(&self, name: &str) -> Arc<AtomicU64> {
        let mut values = self.values.lock().unwrap();
        Arc::clone(values.entry(name.to_owned()).or_default())
    }

    fn count(&self, name: &str) -> u64 {
        self.value(name).load(Ordering::SeqCst)
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }

    fn samples(&self, name: &str) -> Vec<f64> {
        let samples = self.samples.lock().unwrap();
        samples
            .get(name)
            .map(|samples| samples.0.lock().unwrap().clone())
            .unwrap_or_default()
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let so = tokio::time::timeout(PATIENCE, waited).await;
    so.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}

async fn open(clock: &Arc<ManualClock>, address: &str) -> Webhooks {
    Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])
        .unwrap()
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .open(address)
        .await
        .unwrap()
}

/// The receiver's URL, with credentials that must not be seen.
fn secret_url(receiver: &Receiver) -> String {
    receiver.url().replace("http://", "http://user:planted@")
}

async fn the_log_says_what_was_delivered_and_what_people_did(store: Store) {
    let log = Log::of_process();
    let receiver = Receiver::start().await.unwrap();
    receiver.respond([200, 400]);
    let Database { address, .. } = &store.database();
    let webhooks = open(&Arc::default(), address).await;
    let endpoints = webhooks.endpoints("seen");
    let id = endpoints.add(secret_url(&receiver)).await.unwrap().id;
    let named = format!("endpoint.id={id}");
    let whose = ["customer=\"seen\"", named.as_str()];
    let shown = receiver.url().replace("http://", "http://***@");
    let with = |parts: &[&'static str]| [&whose[..], parts].concat();
    for event in ["good", "bad"] {
        let event = Event::new("a", &1).id(event);
        webhooks.send("seen", event).await.unwrap();
        webhooks.drain().await;
    }
    let got_through = ["an attempt succeeded", "event.id=\"good\"", "status=200"];
    // Other stores' tests may log here too, but of another receiver.
    let line = &log.lines(&[&got_through[..], &[&shown]].concat())[0];
    assert!(line.contains("DEBUG"), "{line}");
    assert!(line.contains("customer=\"seen\""), "{line}");
    let failed = &log.lines(&["an attempt failed", "event.id=bad", &shown])[0];
    assert!(failed.contains("INFO"), "{failed}");
    assert!(failed.contains("customer=\"seen\""), "{failed}");

    endpoints.pause(&id).await.unwrap();
    endpoints.resume(&id).await.unwrap();
    endpoints.disable(&id, "sends spam").await.unwrap();
    endpoints.enable(&id).await.unwrap();
    let grace = Duration::from_secs(60);
    let secret = endpoints.rotate_secret(&id, None, grace).await.unwrap();
    endpoints.end_secret(&id, 1).await.unwrap();
    endpoints.test(&id, Event::new("a", &1)).await.unwrap();
    endpoints.remove(&id).await.unwrap();
    for done in [
        "an endpoint was paused",
        "an endpoint was resumed",
        "an endpoint was disabled: sends spam",
        "an endpoint was enabled",
        "an endpoint's secret was rotated",
        "an endpoint's secret was ended early",
        "an endpoint was tested",
        "an endpoint was removed",
    ] {
        log.says(&with(&["INFO", done]));
    }
    for never in ["planted", &secret.expose()] {
        assert_eq!(log.lines(&[never]), [""; 0], "{never} is in the log");
    }
}

async fn after_a_restart_the_endpoints_in_trouble_are_named(store: Store) {
    let log = Log::of_process();
    let Database { address, .. } = &store.database();
    let clock = Arc::<ManualClock>::default();
    let receiver = Receiver::start().await.unwrap();
    receiver.respond([429]);
    let webhooks = open(&clock, address).await;
    let endpoints = webhooks.endpoints("restarted");
    let id = endpoints.add(secret_url(&receiver)).await.unwrap().id;
    webhooks
        .send("restarted", Event::new("a", &1))
        .await
        .unwrap();
    webhooks.drain().await;
    webhooks.shutdown(Duration::from_secs(5)).await;
    let _webhooks = open(&clock, address).await;
    let named = log.lines(&["since before the start", &format!("endpoint.id=\"{id}\"")]);
    assert_eq!(named.len(), 1, "{named:?}");
    for part in ["WARN", "customer=\"restarted\"", "***@", "failing_since="] {
        assert!(named[0].contains(part), "{part}: {}", named[0]);
    }
}

async fn an_attempt_and_a_send_have_a_span(store: Store) {
    let log = Log::of_process();
    let receiver = Receiver::start().await.unwrap();
    let Database { address, .. } = &store.database();
    let webhooks = open(&Arc::default(), address).await;
    let endpoints = webhooks.endpoints("spanned");
    endpoints.add(receiver.url()).await.unwrap();
    webhooks.send("spanned", Event::new("a", &1)).await.unwrap();
    webhooks.drain().await;
    let whose = "customer=\"spanned\"";
    log.says(&["webhooks.send{", whose, "events=1", "close"]);
    log.says(&[
        "webhooks.attempt{",
        "otel.kind=\"client\"",
        "http.response.status_code=200",
        whose,
        "close",
    ]);
}

async fn a_trace_context_is_sent_on_with_every_attempt(store: Store) {
    let Database { address, .. } = &store.database();
    let clock = Arc::<ManualClock>::default();
    let receiver = Receiver::start().await.unwrap();
    receiver.respond([503, 200]);
    let webhooks = open(&clock, address).await;
    let endpoints = webhooks.endpoints("traced");
    let id = endpoints.add(receiver.url()).await.unwrap().id;
    let traced = Event::new("a", &1).id("traced").traceparent(TRACE);
    webhooks.send("traced", traced).await.unwrap();
    webhooks.drain().await;
    webhooks.shutdown(Duration::from_secs(5)).await;
    // From the store: by the lane, and sent again by hand.
    let webhooks = open(&clock, address).await;
    clock.advance(Duration::from_secs(60));
    webhooks.drain().await;
    webhooks
        .endpoints("traced")
        .resend(&id, "traced")
        .await
        .unwrap();
    webhooks.drain().await;
    webhooks.send("traced", Event::new("a", &1)).await.unwrap();
    let requests = receiver.wait_for(4).await;
    let sent: Vec<&str> = requests
        .iter()
        .map(|request| request.header("traceparent"))
        .collect();
    assert_eq!(sent, [TRACE, TRACE, TRACE, ""]);
}

async fn figures_count_attempts_commits_and_what_is_pending(store: Store) {
    let figures = Figures::of_process();
    let before = |name: &str| figures.count(name);
    let refused = "webhooks_attempts_total outcome=status";
    let succeeded = "webhooks_attempts_total outcome=success";
    let accepted = "webhooks_events_accepted_total";
    let (refused_before, succeeded_before, accepted_before) =
        (before(refused), before(succeeded), before(accepted));

    let clock = Arc::<ManualClock>::default();
    let receiver = Receiver::start().await.unwrap();
    let Database { address, .. } = &store.database();
    let webhooks = open(&clock, address).await;
    let endpoints = webhooks.endpoints("counted");
    let id = endpoints
        .add(NewEndpoint::new(receiver.url()))
        .await
        .unwrap()
        .id;
    receiver.respond_to("bad", [429]);
    for event in ["good", "bad"] {
        let event = || Event::new("a", &1).id(event);
        webhooks.send("counted", event()).await.unwrap();
        webhooks.drain().await;
        assert!(webhooks.send("counted", event()).await.unwrap().duplicate);
    }
    assert!(figures.count(refused) > refused_before);
    assert!(figures.count(succeeded) > succeeded_before);
    assert!(figures.count(accepted) >= accepted_before + 2);
    for histogram in [
        "webhooks_attempt_duration_seconds outcome=success",
        "webhooks_commit_jobs",
        "webhooks_commit_duration_seconds",
    ] {
        let samples = figures.samples(histogram);
        assert!(!samples.is_empty(), "{histogram}");
        assert!(samples.iter().all(|sample| *sample > 0.0), "{histogram}");
    }

    // The gauges are the process's: those of the other tests' engines are published too.
    let seconds = "webhooks_oldest_pending_seconds";
    for step in 1.. {
        clock.advance(Duration::from_secs(16));
        let published = tokio::time::timeout(
            Duration::from_secs(1),
            until("published", || {
                figures.gauge("webhooks_pending") == 1.0
                    && figures.gauge("webhooks_endpoints_in_trouble") == 1.0
                    && figures.gauge(seconds) > 0.0
            }),
        );
        if published.await.is_ok() {
            break;
        }
        assert!(step < 30, "the gauges were not published");
    }
    endpoints.cancel(&id, "bad").await.unwrap();
}

for_each_store!(
    the_log_says_what_was_delivered_and_what_people_did,
    an_attempt_and_a_send_have_a_span,
    figures_count_attempts_commits_and_what_is_pending
);
for_each_durable_store!(
    after_a_restart_the_endpoints_in_trouble_are_named,
    a_trace_context_is_sent_on_with_every_attempt
);
