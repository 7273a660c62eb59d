//! Starts a phone and says where it is.

use std::{io::Write as _, time::Duration};

use anyhow::Context as _;
use clap::Parser as _;
use dev_phone::{Account, Flags, Phone, Settings};

/// How long callbacks under way may go on once the program was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A missing .env file is the usual case.
    let _ = dotenvy::dotenv();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .init();
    let token = std::env::var("SMS_TWILIO_TOKEN").ok();
    let settings = Flags::parse().with_token(token).settings()?;
    let stop = serve::stop_signal();
    let listener = serve::bind(settings.host, settings.port, "PORT").await?;
    let address = listener.local_addr().context("the listener's address")?;
    let introduction = introduce(&settings, address);
    let phone = Phone::new(settings.config)?;
    std::io::stdout()
        .write_all(introduction.as_bytes())
        .context("standard output")?;
    let router = dev_phone::app(phone.clone());
    serve::serve(listener, router, serve::Limits::default(), async {
        if let Err(error) = stop.await {
            tracing::error!(%error, "cannot listen for a signal to stop; stopping");
        }
        phone.shutdown(GRACE).await;
    })
    .await;
    Ok(())
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
