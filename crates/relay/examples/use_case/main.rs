//! The talk's use cases, each with its own file of rules: what came of it is printed.
//!
//! `cargo run -p relay --example use_case -- github` needs nothing else: whatever a file's variables
//! name is a stand-in on this machine, unless the variable is set. With `CHAT_URL` set to an incoming
//! webhook of Slack's, the message is there.

mod form;
mod mail;

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use relay::{Config, Relay};
use serde_json::Value;
use tokio::net::TcpListener;
use webhooks_core::{
    SystemClock, Webhooks,
    scheme::{Provider, ToSign},
    testing::{Answer, Receiver},
};

const USE_CASES: [&str; 6] = ["github", "ci", "boozebot", "alert", "database", "weather"];
const GITHUB_SECRET: &str = "It's a Secret to Everybody";
const RELAY_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What open-meteo answers, as far as the example asks.
const WEATHER: &str = r#"{"current": {"temperature_2m": 21.5, "wind_speed_10m": 9.4}}"#;
/// Longer than two messages at one a second.
const DONE_LIMIT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let shown = match USE_CASES.contains(&name.as_str()) {
        true => show(&name).await,
        false => Err(anyhow::anyhow!("name one of: {}", USE_CASES.join(", "))),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Peers on this machine, for variables that are not set.
struct StandIns {
    chat: Receiver,
    weather: Receiver,
    mail: mail::MailServer,
}

impl StandIns {
    async fn start() -> std::io::Result<Self> {
        let chat = Receiver::start().await?;
        chat.respond([Answer::status(200).body("ok")]);
        let weather = Receiver::start().await?;
        weather.respond([Answer::status(200).body(WEATHER)]);
        let mail = mail::MailServer::start().await?;
        Ok(Self {
            chat,
            weather,
            mail,
        })
    }

    fn variable(&self, name: &str) -> Option<String> {
        if let Some(value) = std::env::var_os(name) {
            return value.into_string().ok();
        }
        Some(match name {
            "GITHUB_SECRET" => GITHUB_SECRET.to_owned(),
            "RELAY_SECRET" => RELAY_SECRET.to_owned(),
            "CHAT_URL" => self.chat.url(),
            "WEATHER_URL" => format!("http://{}", self.weather.address()),
            "SMTP_URL" => format!("smtp://{}", self.mail.address()),
            "DATABASE_URL" => "sqlite:numbers.db".to_owned(),
            _ => return None,
        })
    }
}

async fn show(name: &str) -> anyhow::Result<()> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/use_cases");
    // The store and what is written go to a directory that is gone afterwards.
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("relay.toml");
    std::fs::copy(files.join(format!("{name}.toml")), &file)?;
    let stand_ins = StandIns::start().await?;
    let config = Config::read(&file, |variable| stand_ins.variable(variable))?;

    let (sources, page) = (listen().await?, listen().await?);
    let (source_address, page_address) = (sources.local_addr()?, page.local_addr()?);
    let clock = Arc::new(SystemClock::default());
    let relay = Relay::open(config, page_address, serve::Pages::default(), clock).await?;
    tokio::spawn(served(sources, relay.sources()));
    tokio::spawn(served(page, relay.page()));

    if name == "boozebot" {
        let form = listen().await?;
        let url = format!("http://{}", form.local_addr()?);
        let hook = format!("http://{source_address}/boozebot");
        let store = directory.path().join("form.db");
        let webhooks = form::webhooks(&store, &hook, RELAY_SECRET).await?;
        tokio::spawn(served(form, form::routes(webhooks)));
        say(&format!(
            "open {url} and rate a drink; what was done: http://{page_address}; Ctrl-C ends it"
        ));
        let mut told = 0;
        loop {
            for message in stand_ins.chat.requests().iter().skip(told) {
                say(&format!("the chat got: {}", message.json()["text"]));
                told += 1;
            }
            tokio::select! {
                stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }
    let events = std::fs::read(files.join(format!("{name}.json")))?;
    let events: Vec<Value> = serde_json::from_slice(&events)?;
    for event in &events {
        send(event, &source_address.to_string()).await?;
    }
    done(relay.webhooks()).await?;
    tell(&stand_ins, directory.path())?;
    relay.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// Signs an event as its source does, and posts it.
async fn send(event: &Value, to: &str) -> anyhow::Result<()> {
    let body = event["body"].to_string();
    let (provider, source, secret) = match event["type"].as_str() {
        Some(_) => (Provider::GitHub, "github", GITHUB_SECRET),
        None => (Provider::Standard, "button", RELAY_SECRET),
    };
    let what = ToSign {
        id: event["body"]["id"].as_str().unwrap_or_default(),
        timestamp_s: jiff::Timestamp::now().as_second(),
        url: "",
        content_type: None,
        body: body.as_bytes(),
    };
    let mut request = reqwest::Client::new()
        .post(format!("http://{to}/{source}"))
        .header("content-type", "application/json");
    for (name, value) in provider.sign(&provider.key(secret)?, &what)? {
        request = request.header(name, value);
    }
    if let Some(event_type) = event["type"].as_str() {
        request = request.header("x-github-event", event_type);
    }
    let status = request.body(body).send().await?.status();
    anyhow::ensure!(status.is_success(), "the relay answered {status}");
    say(&format!("sent: {}", event["body"]));
    Ok(())
}

/// Waits until nothing is left to do.
async fn done(webhooks: &Webhooks) -> anyhow::Result<()> {
    let all = async {
        while webhooks.pending().await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(DONE_LIMIT, all).await {
        Ok(done) => done,
        Err(_) => bail!(
            "not done within {} s; is what the variables name up?",
            DONE_LIMIT.as_secs()
        ),
    }
}

/// What arrived at the stand-ins.
fn tell(stand_ins: &StandIns, directory: &Path) -> anyhow::Result<()> {
    for message in stand_ins.chat.requests() {
        let message = message.json();
        let text = message.get("text").or(message.get("content"));
        say(&format!("the chat got: {}", text.unwrap_or_default()));
    }
    for mail in stand_ins.mail.mails() {
        say(&format!("the mail server got:\n{mail}"));
    }
    let database = directory.join("numbers.db");
    if database.exists() {
        let connection = webhooks_core::rusqlite::Connection::open(database)?;
        let mut rows = connection.prepare("select id, number from random_number order by id")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, number): (String, i64) = (row.get(0)?, row.get(1)?);
            say(&format!("the table has: {id}, {number}"));
        }
    }
    Ok(())
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
        .await
        .context("no port is free")
}

async fn served(listener: TcpListener, router: axum::Router) {
    let never = std::future::pending();
    serve::serve(
        listener,
        serve::protect(router),
        serve::Limits::default(),
        never,
    )
    .await;
}

fn say(text: &str) {
    use std::io::Write;
    // Nobody is left to tell when standard output is closed.
    let _ = writeln!(std::io::stdout(), "{text}");
}
