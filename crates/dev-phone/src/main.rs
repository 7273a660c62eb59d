//! Starts a phone and says where it is.

use std::{io::Write as _, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser as _;
use dev_phone::{Account, Flags, Phone, Settings};

/// How long callbacks in flight may continue once the program was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    serve::run(
        "dev-phone",
        |variables| Some(Flags::parse().settings(variables)),
        run,
    )
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let listener = serve::bind(settings.host.clone(), settings.port, "PORT").await?;
    let address = listener.local_addr().context("which port is it")?;
    let introduction = introduce(&settings, address);
    let phone = Phone::new(settings.config)?;
    let router = serve::framed(dev_phone::app(phone.clone()), settings.frame_origin);
    let stop = async {
        // Signals are handled first: the reader of the introduction may send one at once.
        tokio::join!(
            biased;
            serve::stop_requested(),
            async { say(&introduction) }
        );
    };
    serve::serve(listener, router, serve::Limits::default(), stop).await;
    phone.shutdown(GRACE).await;
    Ok(())
}

fn say(text: &str) {
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        tracing::warn!(%error, "standard output is closed; could not say how to use this phone");
    }
}

/// The settings with which a program uses this phone. The token is shown only if it is the public
/// development token.
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
