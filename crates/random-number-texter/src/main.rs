//! Starts the texter.

use std::{io::Write, pin::pin, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use random_number_texter::{Config, DOWN_TIME, Texter, VARIABLES, app, system_clock};

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
    serve::narrate("info")?;
    let listener = serve::bind(config.host.clone(), config.port, "PORT").await?;
    let address = listener.local_addr().context("which port is it")?;
    if config.token_travels_in_the_clear() {
        tracing::warn!("SMS_TWILIO_BASE_URL is http: the auth token travels unencrypted");
    }
    if !config.requires_signatures() {
        tracing::warn!("WEBHOOK_SECRET is not set: whoever reaches this port can text");
    }
    let callback_base = config.callback_base(address.port());
    if callback_base.is_none() {
        tracing::info!("Twilio can't report what becomes of a text: PUBLIC_URL is not set");
    }
    let host = config.host.address;
    let texter = Texter::open(config, callback_base, system_clock()).await?;
    tracing::info!("the texter takes webhooks at http://{address}");
    let router = serve::protect(app(texter.clone()));
    let mut signal = pin!(serve::stop_signal());
    let mut listener = listener;
    loop {
        let mut goes_down = false;
        let stop = async {
            tokio::select! {
                signal = &mut signal => stopping(signal, &texter),
                () = texter.goes_down() => goes_down = true,
            }
        };
        serve::serve(listener, router.clone(), serve::Limits::default(), stop).await;
        if !goes_down {
            break;
        }
        tracing::info!(
            "down for {} s, as asked: connections are refused",
            DOWN_TIME.as_secs()
        );
        tokio::select! {
            signal = &mut signal => {
                stopping(signal, &texter);
                break;
            }
            () = tokio::time::sleep(DOWN_TIME) => {}
        }
        listener = serve::bind(host, address.port(), "PORT").await?;
        tracing::info!("up again");
    }
    texter.shutdown().await;
    tracing::info!("stopped");
    Ok(())
}

fn stopping(signal: std::io::Result<()>, texter: &Texter) {
    if let Err(error) = signal {
        tracing::error!(%error, "stopping: signals can't be caught");
    }
    texter.stop();
}

fn complain(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}
