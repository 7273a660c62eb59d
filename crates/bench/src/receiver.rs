//! The receiver: a process of its own that checks every id and measures how long events took.
//!
//! `POST /<n>` receives a webhook whose data is `[number, sent at ns]`; `GET /report` answers with
//! a [`Report`] as JSON; `POST /reset` forgets everything. `/hang/…` answers after [`HANG`] and
//! `/slow/…` after [`SLOW`]; `/begin/…` answers at once for the first [`HANG_AFTER`] numbers and
//! then like `/hang`; `/flaky/<percent>` answers that percentage of requests with 503.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};

use crate::port;

/// The maximum number of latencies kept: enough for ten minutes at 2,000 a second.
const LATENCIES_MAX: usize = 2_000_000;

/// How long `/hang` takes.
const HANG: Duration = Duration::from_secs(30);
/// How long `/slow` takes.
const SLOW: Duration = Duration::from_secs(5);
/// The number of the first event for which `/begin` hangs.
pub(crate) const HANG_AFTER: u64 = 10;

/// What has arrived since the last reset.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Requests, duplicates included.
    pub(crate) requests: u64,
    /// Distinct events, over all paths.
    pub(crate) distinct: u64,
    /// Requests for an event that had already arrived at the same path.
    pub(crate) duplicates: u64,
    /// Requests that arrived after one with a higher number at the same path.
    pub(crate) out_of_order: u64,
    /// Connections made.
    pub(crate) connections: u64,
    /// Latencies in microseconds, sorted, of the paths that begin with `/timed`.
    pub(crate) latencies_us: Vec<u32>,
}

struct Tally {
    paths: HashMap<String, Path>,
    requests: u64,
    duplicates: u64,
    out_of_order: u64,
    latencies_us: Vec<u32>,
    /// Never 0.
    random: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            paths: HashMap::new(),
            requests: 0,
            duplicates: 0,
            out_of_order: 0,
            latencies_us: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl Tally {
    /// Whether `/flaky` answers a request with 503; then the request is only counted.
    fn fails(&mut self, path: &str) -> bool {
        let Some(percent) = path.strip_prefix("/flaky/") else {
            return false;
        };
        // An xorshift generator: the same failures in every run, without a pattern.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let fails = self.random % 100 < percent.parse().unwrap_or(0);
        self.requests += u64::from(fails);
        fails
    }
}

/// What arrived at one path, with one bit per number.
#[derive(Default)]
struct Path {
    seen: Vec<u64>,
    highest: Option<u64>,
    distinct: u64,
}

impl Path {
    /// Returns true when the number is new.
    fn see(&mut self, number: u64) -> bool {
        let (word, bit) = (usize::try_from(number / 64).unwrap_or(0), number % 64);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let new = self.seen[word] & (1 << bit) == 0;
        self.seen[word] |= 1 << bit;
        self.distinct += u64::from(new);
        new
    }
}

/// Nanoseconds since 1970: both processes share this clock.
pub(crate) fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        })
}

static TALLY: Mutex<Option<Tally>> = Mutex::new(None);
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Serves until the process is killed; prints its port on the first line.
pub(crate) async fn run() -> anyhow::Result<()> {
    let listener = port::listen()?;
    announce(listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        CONNECTIONS.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).pipeline_flush(true);
            let served = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
            // A sender that is killed cuts its connections, which is not the receiver's concern.
            let _ = served.await;
        });
    }
}

#[allow(clippy::print_stdout)] // The parent reads the port from here.
fn announce(port: u16) {
    println!("{port}");
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if path.starts_with("/hang") {
        tokio::time::sleep(HANG).await;
        return Ok(Response::new(Full::default()));
    }
    let body = body.collect().await?.to_bytes();
    if path.starts_with("/slow") {
        tokio::time::sleep(SLOW).await;
    }
    if path.starts_with("/begin")
        && read_data(&body).is_some_and(|(number, _)| number >= HANG_AFTER)
    {
        tokio::time::sleep(HANG).await;
        return Ok(Response::new(Full::default()));
    }
    let mut tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
    let tally = tally.get_or_insert_default();
    let mut response = Response::new(Full::default());
    match (head.method, path) {
        (Method::GET, "/report") => {
            *response.body_mut() =
                Full::from(serde_json::to_vec(&report(tally)).unwrap_or_default());
        }
        (_, path) if tally.fails(path) => {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        (Method::GET, "/timed") => {
            *response.body_mut() = Full::from(tally.latencies_us.len().to_string());
        }
        (Method::GET, "/count") => *response.body_mut() = Full::from(tally.requests.to_string()),
        (Method::POST, "/reset") => {
            *tally = Tally::default();
            CONNECTIONS.store(0, Ordering::Relaxed);
        }
        (_, path) => {
            take(tally, path, &body);
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
    }
    Ok(response)
}

fn take(tally: &mut Tally, path: &str, body: &[u8]) {
    tally.requests += 1;
    let Some((number, sent_at)) = read_data(body) else {
        return;
    };
    if path.starts_with("/timed") && tally.latencies_us.len() < LATENCIES_MAX {
        let us = now_ns().saturating_sub(sent_at) / 1_000;
        tally
            .latencies_us
            .push(u32::try_from(us).unwrap_or(u32::MAX));
    }
    let entry = match tally.paths.get_mut(path) {
        Some(entry) => entry,
        None => tally.paths.entry(path.to_owned()).or_default(),
    };
    if entry.see(number) {
        tally.out_of_order += u64::from(entry.highest.is_some_and(|highest| highest > number));
        entry.highest = entry.highest.max(Some(number));
    } else {
        tally.duplicates += 1;
    }
}

/// The two numbers in `…"data":[12,34,…`: parsing the JSON would be most of the receiver's work.
fn read_data(body: &[u8]) -> Option<(u64, u64)> {
    let marker = br#""data":["#;
    let start = body
        .windows(marker.len())
        .position(|window| window == marker)?
        + marker.len();
    let text = std::str::from_utf8(&body[start..]).ok()?;
    let mut numbers = text.split([',', ']']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn report(tally: &mut Tally) -> Report {
    tally.latencies_us.sort_unstable();
    Report {
        requests: tally.requests,
        distinct: tally.paths.values().map(|path| path.distinct).sum(),
        duplicates: tally.duplicates,
        out_of_order: tally.out_of_order,
        connections: CONNECTIONS.load(Ordering::Relaxed),
        latencies_us: tally.latencies_us.clone(),
    }
}
