//! polis compared with a bare axum handler that reads the body, and what it costs to keep it
//! running.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::bench::Bench;
use crate::{
    load::median,
    report::{Check, Content, rate},
};

/// Requests in flight at once.
const IN_FLIGHT: usize = 16;
/// The body of each request, like that of a small webhook.
const BODY: &str = r#"{"id":"0190b5a4-0000-7000-8000-000000000000","event":"random_number:generate","data":863,"text":"some words to make it as long as a small webhook is, which is about two hundred bytes, more or less so"}"#;
const MIB: u64 = 1024 * 1024;

/// A program that is killed when it is dropped.
struct Running {
    child: Child,
    url: String,
    /// The second URL that it printed.
    page: Option<String>,
    /// The time until it reported that it was ready.
    ready: Duration,
}

impl Running {
    /// Starts `command`, whose first line on `stderr` or `stdout` contains its URLs.
    fn start(mut command: Command, ready_on_stderr: bool) -> anyhow::Result<Self> {
        let started = Instant::now();
        let piped = if ready_on_stderr {
            command.stderr(Stdio::piped())
        } else {
            command.stdout(Stdio::piped())
        };
        let mut child = piped
            .spawn()
            .with_context(|| format!("{command:?}: scripts/bench builds it"))?;
        let output: Box<dyn Read + Send> = if ready_on_stderr {
            Box::new(child.stderr.take().context("no output")?)
        } else {
            Box::new(child.stdout.take().context("no output")?)
        };
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let ready = started.elapsed();
        let mut urls = line
            .split_whitespace()
            .filter(|word| word.starts_with("http://"))
            .map(str::to_owned);
        let url = urls
            .next()
            .with_context(|| format!("it printed {line:?} instead of its URL"))?;
        let page = urls.next();
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Self {
            child,
            url,
            page,
            ready,
        })
    }

    fn resident_bytes(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may already be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the handler until the process is killed; prints its URL first.
pub(crate) async fn serve_bare_handler() -> anyhow::Result<()> {
    let listener = crate::port::listen()?;
    crate::report::print(&format!("http://{}", listener.local_addr()?));
    let read = |body: axum::body::Bytes| async move { body };
    axum::serve(listener, axum::Router::new().fallback(read)).await?;
    Ok(())
}

pub(super) async fn measure(bench: &Bench<'_>) -> anyhow::Result<Content> {
    let program = std::env::current_exe()?;
    let polis_program = program.with_file_name("polis");
    ensure!(
        polis_program.exists(),
        "{} is missing; scripts/bench builds it",
        polis_program.display()
    );
    let polis = || {
        let mut command = Command::new(&polis_program);
        command
            .args(["--port", "0", "--ui-port", "0", "--quiet"])
            .current_dir(bench.folder());
        Running::start(command, true)
    };
    let bare = {
        let mut command = Command::new(&program);
        command.arg("bare-handler");
        Running::start(command, false)?
    };
    let time = bench.settings.time();
    let running = polis()?;
    let idle = running.resident_bytes()?;
    let page = open_page(&running)?;
    let (mut bare_rates, mut polis_rates, mut ready) =
        (Vec::new(), Vec::new(), vec![running.ready]);
    for _ in 0..bench.settings.rounds() {
        bare_rates.push(post_for(&bare.url, time).await?);
        polis_rates.push(post_for(&running.url, time).await?);
        ready.push(polis()?.ready);
    }
    let full = running.resident_bytes()?;
    post_for(&running.url, time).await?;
    let later = running.resident_bytes()?;
    page.abort();
    let ready = median(ready.iter().map(Duration::as_secs_f64));
    let (bare_rate, polis_rate) = (
        median(bare_rates.iter().copied()),
        median(polis_rates.iter().copied()),
    );
    let ratio = polis_rate / bare_rate;
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / MIB as f64);
    let checks = vec![
        Check::new(
            "rate against the bare handler",
            "at least 0.5",
            format!("{ratio:.2}"),
            ratio >= 0.5,
        ),
        Check::new(
            "ready after",
            "at most 50 ms",
            format!("{:.0} ms", ready * 1e3),
            ready <= 0.05,
        ),
        Check::new(
            "memory when idle",
            "below 20 MiB",
            mib(idle),
            idle < 20 * MIB,
        ),
        Check::new(
            "memory at its bound, and after as many requests again",
            "flat within a tenth",
            format!("{} and {}", mib(full), mib(later)),
            later < full + full / 10,
        ),
    ];
    Ok(Content {
        title: "polis".to_owned(),
        about: "Requests a second of polis, which keeps each with its exact bytes, against a bare axum handler \
                that reads the body and echoes it; one after the other in turns, the same client with 16 requests \
                in flight, a reader of polis's event stream connected."
            .to_owned(),
        columns: ["server", "requests/s", "ratio"].map(str::to_owned).to_vec(),
        rows: vec![
            vec!["bare axum handler".to_owned(), rate(bare_rate), "1".to_owned()],
            vec!["polis".to_owned(), rate(polis_rate), format!("{ratio:.2}")],
        ],
        checks,
        further: Vec::new(),
        measured: serde_json::json!({
            "bare_per_second": bare_rates, "polis_per_second": polis_rates, "ready_s": ready,
            "idle_bytes": idle, "full_bytes": full, "later_bytes": later,
        }),
    })
}

/// Reads the event stream, as an open page does.
fn open_page(polis: &Running) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let url = polis
        .page
        .clone()
        .context("polis did not print the URL of its page")?;
    Ok(tokio::spawn(async move {
        if let Ok(mut answer) = reqwest::get(format!("{url}/api/events")).await {
            while let Ok(Some(_)) = answer.chunk().await {}
        }
    }))
}

/// Posts for `time`; returns requests a second.
async fn post_for(url: &str, time: Duration) -> anyhow::Result<f64> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(IN_FLIGHT)
        .tcp_nodelay(true)
        .build()?;
    let count = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, count, url) = (client.clone(), Arc::clone(&count), format!("{url}/hooks"));
        callers.spawn(async move {
            while started.elapsed() < time {
                let request = client
                    .post(&url)
                    .header("content-type", "application/json")
                    .body(BODY);
                request.send().await?.error_for_status()?.bytes().await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}
