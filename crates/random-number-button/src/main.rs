//! Serves the button until it is asked to stop.

use std::{io::Write, process::ExitCode, time::Duration};

use clap::Parser;
use random_number_button::{Button, Settings, VARIABLES, app, random_number};

/// How long deliveries under way may go on once the button was asked to stop. What is still owed
/// then stays in the store.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A page with one button: it draws a random number and sends it as a webhook.
#[derive(Debug, Parser)]
#[command(version, after_help = VARIABLES)]
struct Flags {}

#[tokio::main]
async fn main() -> ExitCode {
    Flags::parse();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What to correct, without a backtrace. Nobody is left to tell when standard error
            // is closed.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        anyhow::bail!("the file .env can't be read: {error}");
    }
    serve::narrate("info")?;
    let settings = Settings::from_env()?;
    let frame_origin = serve::FrameOrigin::from_env()?;
    let listener = serve::bind(settings.host.clone(), settings.port, "PORT").await?;
    let address = listener.local_addr()?;
    let button = Button::open(&settings, random_number).await?;
    tracing::info!("the button is at http://{address}");
    let stopping = button.clone();
    let stop = async move {
        if let Err(error) = serve::stop_signal().await {
            tracing::error!(%error, "stopping: signals can't be caught");
        }
        stopping.stop_live();
    };
    let router = serve::framed(app(&button), frame_origin);
    serve::serve(listener, router, serve::Limits::default(), stop).await;
    button.shutdown(STOP_GRACE).await;
    Ok(())
}
