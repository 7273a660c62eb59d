//! Starts the texter.

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use random_number_texter::{Config, Texter, VARIABLES, app, system_clock};

/// As for a wrong flag: what was asked for can't be done.
const WRONG_CONFIGURATION: u8 = 2;

/// Receives random_number:generate webhooks and texts the number through Twilio's Messages API.
#[derive(Parser)]
#[command(version, after_help = VARIABLES)]
struct Arguments {}

fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    let config = match configured() {
        Ok(config) => config,
        Err(wrong) => {
            complain(&format!(
                "random-number-texter can't start; correct these variables (--help explains them):\n{wrong}"
            ));
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("random-number-texter stopped: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Reads `.env` and the environment.
fn configured() -> Result<Config, String> {
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        // The error's own text would show the line, and with it perhaps a secret.
        Err(dotenvy::Error::LineParse(_, column)) => {
            return Err(format!(
                ".env has a line that is wrong near column {column}"
            ));
        }
        Err(_) => return Err(".env can't be read".to_owned()),
    }
    Config::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
        .map_err(|wrong| wrong.to_string())
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    serve::logs("info")?;
    let listener = serve::bind(config.host, config.port, "PORT").await?;
    let address = listener.local_addr().context("which port is it")?;
    if config.token_travels_in_the_clear() {
        tracing::warn!("SMS_TWILIO_BASE_URL is http: the auth token travels unencrypted");
    }
    if !config.requires_signatures() {
        tracing::warn!("WEBHOOK_SECRET is not set: whoever reaches this port can text");
    }
    let callback_base = config.callback_base(address.port());
    if callback_base.is_none() {
        tracing::info!("PUBLIC_URL is not set: Twilio can't report what becomes of a text");
    }
    let texter = Texter::open(config, callback_base, system_clock()).await?;
    tracing::info!(%address, "listening for webhooks");
    let stopping = texter.clone();
    let stop = async move {
        if let Err(error) = serve::stop_signal().await {
            tracing::error!(%error, "stopping: signals can't be caught");
        }
        stopping.stop();
    };
    let router = serve::protect(app(texter.clone()));
    serve::serve(listener, router, serve::Limits::default(), stop).await;
    texter.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

fn complain(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
