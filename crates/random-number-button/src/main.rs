//! Serves the button until it is asked to stop.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use random_number_button::{Button, Settings, VARIABLES, app, random_number};

/// How long requests in flight may continue once the button was asked to stop. Deliveries that are
/// still pending then stay in the store.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A page with one button: it draws a random number and sends it as a webhook.
#[derive(Debug, Parser)]
#[command(version, after_help = VARIABLES)]
struct Flags {}

fn main() -> ExitCode {
    let settings = |variables: &mut serve::Variables<'_>| {
        let Flags {} = Flags::parse();
        Settings::read(variables)
    };
    serve::run("random-number-button", settings, run)
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let listener = serve::bind(settings.host.clone(), settings.port, "PORT").await?;
    let address = listener.local_addr()?;
    let button = Button::open(&settings, random_number).await?;
    tracing::info!("the button is at http://{address}");
    let stopping = button.clone();
    let stop = async move {
        serve::stop_requested().await;
        stopping.stop_live();
    };
    let router = serve::framed(app(&button), settings.frame_origin);
    serve::serve(listener, router, serve::Limits::default(), stop).await;
    button.shutdown(STOP_GRACE).await;
    Ok(())
}
