//! Starts the texter.

use std::{pin::pin, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use random_number_texter::{Config, DOWN_TIME, Texter, VARIABLES, app, system_clock};

/// Receives random_number:generate webhooks and texts the number through Twilio's Messages API.
#[derive(Parser)]
#[command(version, after_help = VARIABLES)]
struct Arguments {}

fn main() -> ExitCode {
    let config = |variables: &mut serve::Variables<'_>| {
        let Arguments {} = Arguments::parse();
        Config::read(variables)
    };
    serve::run("random-number-texter", config, run)
}

async fn run(config: Config) -> anyhow::Result<()> {
    let listener = serve::bind(config.host.clone(), config.port, "PORT").await?;
    let address = listener.local_addr().context("which port is it")?;
    if config.token_travels_in_the_clear() {
        tracing::warn!("SMS_TWILIO_BASE_URL is http: the auth token travels unencrypted");
    }
    if !config.requires_signatures() {
        tracing::warn!("WEBHOOK_SECRET is not set: anyone who reaches this port can send texts");
    }
    let callback_base = config.callback_base(address.port());
    if callback_base.is_none() {
        tracing::info!("Twilio can't report what becomes of a text: PUBLIC_URL is not set");
    }
    let host = config.host.address;
    let texter = Texter::open(config, callback_base, system_clock()).await?;
    tracing::info!("the texter accepts webhooks at http://{address}");
    let router = serve::protect(app(texter.clone()));
    let mut asked = pin!(serve::stop_requested());
    let mut listener = listener;
    loop {
        let mut goes_down = false;
        let stop = async {
            tokio::select! {
                () = &mut asked => texter.stop(),
                () = texter.goes_down() => goes_down = true,
            }
        };
        serve::serve(listener, router.clone(), serve::Limits::default(), stop).await;
        if !goes_down {
            break;
        }
        tracing::info!(
            "down for {} s, as requested: connections are refused",
            DOWN_TIME.as_secs()
        );
        tokio::select! {
            () = &mut asked => {
                texter.stop();
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
