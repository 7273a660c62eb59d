//! Starts a phone and says where it is.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser as _;
use dev_phone::{Account, Flags, Phone, Settings};

/// As for a wrong flag: what was asked for can't be done.
const WRONG_CONFIGURATION: u8 = 2;

/// How long callbacks under way may go on once the program was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let settings = match configured() {
        Ok(settings) => settings,
        Err(wrong) => {
            complain(&format!("dev-phone can't start: {wrong}"));
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    match run(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("dev-phone stopped: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Reads `.env`, the environment and the flags.
fn configured() -> Result<Settings, String> {
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        // The error's own text would show the line, and with it perhaps the token.
        Err(_) => return Err(".env can't be read; correct its lines or remove it".to_owned()),
    }
    Flags::parse()
        .with_variables(|name| std::env::var(name).ok())
        .settings()
        .map_err(|wrong| wrong.to_string())
}

#[tokio::main]
async fn run(settings: Settings) -> anyhow::Result<()> {
    serve::narrate("info")?;
    let listener = serve::bind(settings.host.clone(), settings.port, "PORT").await?;
    let address = listener.local_addr().context("which port is it")?;
    let introduction = introduce(&settings, address);
    let phone = Phone::new(settings.config)?;
    let router = serve::framed(
        dev_phone::app(phone.clone()),
        serve::FrameOrigin::from_env()?,
    );
    let stop = async {
        // The signals are caught first: whoever reads the introduction may send one.
        let (signal, ()) = tokio::join!(
            biased;
            serve::stop_signal(),
            async { say(&introduction) }
        );
        if let Err(error) = signal {
            tracing::error!(%error, "stopping: signals can't be caught");
        }
    };
    serve::serve(listener, router, serve::Limits::default(), stop).await;
    phone.shutdown(GRACE).await;
    Ok(())
}

fn say(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        tracing::warn!(%error, "standard output is closed; nobody was told how to use this phone");
    }
}

fn complain(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// What a program has to be told to use this phone. The token shows only when it is the public
/// one of development.
fn introduce(settings: &Settings, address: std::net::SocketAddr) -> String {
    let account = &settings.config.account;
    let token = match account.token.expose() {
        Account::DEVELOPMENT_TOKEN => Account::DEVELOPMENT_TOKEN,
        _ => "(as given)",
    };
    format!(
        "dev-phone: the phone is on http://{address}\n\
         \x20 SMS_TWILIO_BASE_URL=http://{address}\n\
         \x20 SMS_TWILIO_SID={}\n\
         \x20 SMS_TWILIO_TOKEN={token}\n\
         \x20 SMS_TWILIO_FROM_NUMBER={}\n\
         \x20 SMS_TWILIO_TO_NUMBER={}\n\
         \x20 replies go to {}\n",
        account.sid.as_str(),
        account.from,
        account.to,
        settings
            .config
            .reply_url
            .as_ref()
            .map_or("nowhere; set REPLY_URL to a URL of your program", |_| {
                "the URL given by REPLY_URL"
            }),
    )
}
