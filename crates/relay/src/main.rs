//! Starts the relay, checks its file, or tries a rule.

use std::{
    future::Future,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use relay::{Config, Relay, Trial, preview};
use webhooks_core::SystemClock;

/// How long running actions may continue once the relay is asked to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Turns verified webhooks into messages, mails, rows and calls, by rules in a file.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The file with sources and rules.
    #[arg(long, default_value = "relay.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Report everything that is wrong with the file, with line numbers.
    Check,
    /// Show what a rule would send for an event, without sending it.
    Try {
        /// The rule's name.
        rule: String,
        /// A file with the event's body, as its source sends it.
        #[arg(long)]
        event: PathBuf,
        /// The event's type, if its body does not contain it (GitHub's is in a header).
        #[arg(long = "type")]
        event_type: Option<String>,
        /// What a fetch would return, as NAME=FILE.
        #[arg(long = "with")]
        fetched: Vec<String>,
    },
}

fn main() -> ExitCode {
    if serve::print_licences_if_asked() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let (config, pages) = match configured(&arguments.config) {
        Ok(config) => config,
        Err(wrong) => {
            serve::complain(&wrong);
            return ExitCode::from(serve::WRONG_SETTINGS);
        }
    };
    let outcome = match arguments.command {
        None => run(config, pages),
        Some(Command::Check) => say(&format!("{} is valid\n", arguments.config.display())),
        Some(Command::Try {
            rule,
            event,
            event_type,
            fetched,
        }) => trial(&event, event_type, &fetched)
            .and_then(|trial| Ok(preview(&config, &rule, trial)?))
            .and_then(|text| say(&text)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            serve::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Reads `.env`, the environment and the file.
fn configured(path: &Path) -> Result<(Config, serve::Pages), String> {
    let read = serve::Variables::of_process().read(|variables| {
        let config = Config::read(path, |name| variables.get(name));
        Some(config.map(|config| (config, variables.pages())))
    });
    let config = read.map_err(|wrong| wrong.to_string())?;
    config.map_err(|error| error.to_string())
}

fn trial(event: &Path, event_type: Option<String>, fetched: &[String]) -> anyhow::Result<Trial> {
    let fetched = fetched.iter().map(|given| {
        let (name, path) = given
            .split_once('=')
            .with_context(|| format!("--with {given} has no =; give NAME=FILE"))?;
        Ok((name.to_owned(), json(Path::new(path))?))
    });
    Ok(Trial {
        body: json(event)?,
        event_type,
        fetched: fetched.collect::<anyhow::Result<_>>()?,
        now: Timestamp::now(),
    })
}

fn json(path: &Path) -> anyhow::Result<serde_json::Value> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("{shown} can't be read"))?;
    serde_json::from_slice(&text).with_context(|| format!("{shown} is not JSON"))
}

#[tokio::main]
async fn run(config: Config, pages: serve::Pages) -> anyhow::Result<()> {
    serve::narrate("info,webhooks_core=warn")?;
    let (listen, page) = (config.listen, config.page);
    let sources = serve::bind(listen.ip(), listen.port(), "listen in the file").await?;
    let page = serve::bind(page.ip(), page.port(), "page in the file").await?;
    let page_address = page.local_addr().context("reading the page's port")?;
    let relay = Relay::open(
        config,
        page_address,
        pages,
        Arc::new(SystemClock::default()),
    )
    .await?;
    tracing::info!("webhooks arrive at http://{}", sources.local_addr()?);
    tracing::info!("what came and what was done: http://{page_address}");
    let (stop_page, page_stopped) = tokio::sync::oneshot::channel::<()>();
    let page = tokio::spawn(served(page, relay.page(), async {
        // A dropped sender means stop, too.
        let _ = page_stopped.await;
    }));
    served(sources, relay.sources(), serve::stop_requested()).await;
    // The engine's requests arrive at the page's port, which stays open until they are done.
    relay.shutdown(STOP_GRACE).await;
    drop(stop_page);
    page.await.context("the page's server failed")?;
    tracing::info!("stopped");
    Ok(())
}

async fn served(
    listener: tokio::net::TcpListener,
    router: axum::Router,
    stop: impl Future<Output = ()>,
) {
    serve::serve(
        listener,
        serve::protect(router),
        serve::Limits::default(),
        stop,
    )
    .await;
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
