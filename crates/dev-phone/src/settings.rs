//! Flags and variables, checked all together so that one start tells everything that is wrong.

use std::{path::PathBuf, str::FromStr};

use clap::Parser;
use jiff::tz::TimeZone;

use crate::{account::Account, call_url::CallUrl, phone::Config};

/// The port that is listened on when none is given.
const DEFAULT_PORT: u16 = 9020;

/// Twilio's Messages API, offline, with a phone on a page.
///
/// The account has development values, printed at the start, for what is not given. Its token
/// comes from the variable SMS_TWILIO_TOKEN only. A .env file is read, too. The variable FRAME_ORIGIN names the one
/// origin, such as http://localhost:9030, whose pages may show the phone in a frame.
#[derive(Debug, Default, Parser)]
#[command(name = "dev-phone", version)]
pub struct Flags {
    /// The port to listen on [default: 9020]
    #[arg(long, env = "PORT")]
    port: Option<String>,
    /// The address to listen on [env: HOST] [default: 127.0.0.1]
    #[arg(long)]
    host: Option<String>,
    /// The variable HOST, which is not always meant for this program
    #[arg(skip)]
    host_variable: Option<String>,
    /// Where texts written on the page go, as Twilio's inbound webhook
    #[arg(long, env = "REPLY_URL", value_name = "URL", hide_env_values = true)]
    reply_url: Option<String>,
    /// Names, separated by commas, under which it is reached besides localhost and IP addresses,
    /// such as a container's
    #[arg(long, env = "PHONE_NAMES", value_name = "NAMES")]
    names: Option<String>,
    /// Keep texts in this file across a restart
    #[arg(long, env = "PHONE_KEEP", value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Begin every text as a trial account does
    #[arg(long, env = "PHONE_TRIAL", value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    trial: Option<String>,
    /// Pages to link, as name=URL separated by spaces
    #[arg(long, env = "DEMO_PAGES", value_name = "PAGES")]
    pages: Option<String>,
    /// The account's SID
    #[arg(long, env = "SMS_TWILIO_SID", hide_env_values = true)]
    sid: Option<String>,
    /// The account's token; a variable only, since other users can see flags
    #[arg(skip)]
    token: Option<String>,
    /// The account's sending number
    #[arg(
        long = "from-number",
        env = "SMS_TWILIO_FROM_NUMBER",
        value_name = "NUMBER",
        hide_env_values = true
    )]
    from: Option<String>,
    /// The number of the phone on the page
    #[arg(
        long = "to-number",
        env = "SMS_TWILIO_TO_NUMBER",
        value_name = "NUMBER",
        hide_env_values = true
    )]
    to: Option<String>,
}

/// What the program was told to do.
#[derive(Debug)]
pub struct Settings {
    /// The address to listen on.
    pub host: serve::Host,
    /// The port to listen on.
    pub port: u16,
    /// The phone.
    pub config: Config,
}

/// Settings that are wrong, all of them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} wrong:\n  {}", match .0.len() { 1 => "a setting is", _ => "settings are" }, .0.join("\n  "))]
pub struct BadSettings(Vec<String>);

impl Flags {
    /// These flags with the variables that are not flags, looked up by `variable`.
    pub fn with_variables(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        self.token = variable("SMS_TWILIO_TOKEN");
        self.host_variable = variable("HOST");
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// Names each wrong variable, what it holds and what it may hold.
    pub fn settings(self) -> Result<Settings, BadSettings> {
        let mut wrong = Vec::new();
        let development = Account::development();
        let account = Account {
            sid: read("SMS_TWILIO_SID", self.sid, development.sid, &mut wrong),
            token: read(
                "SMS_TWILIO_TOKEN",
                self.token,
                development.token,
                &mut wrong,
            ),
            from: read(
                "SMS_TWILIO_FROM_NUMBER",
                self.from,
                development.from,
                &mut wrong,
            ),
            to: read("SMS_TWILIO_TO_NUMBER", self.to, development.to, &mut wrong),
        };
        let settings = Settings {
            host: read(
                "--host",
                self.host,
                serve::Host::of_variable(self.host_variable.as_deref()),
                &mut wrong,
            ),
            port: read("PORT", self.port, DEFAULT_PORT, &mut wrong),
            config: Config {
                account,
                reply_url: reply_url(self.reply_url, &mut wrong),
                names: names(self.names.as_deref().unwrap_or_default()),
                keep: self.keep.filter(|path| !path.as_os_str().is_empty()),
                trial: read("PHONE_TRIAL", self.trial, false, &mut wrong),
                pages: read(
                    serve::PAGES_VARIABLE,
                    self.pages,
                    serve::Pages::default(),
                    &mut wrong,
                ),
                time_zone: TimeZone::system(),
                ..Config::default()
            },
        };
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(BadSettings(wrong))
        }
    }
}

/// Reads one value; an empty one is a missing one, as in a `.env` file with nothing filled in.
fn read<T>(name: &str, given: Option<String>, default: T, wrong: &mut Vec<String>) -> T
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    match given.filter(|text| !text.is_empty()) {
        None => default,
        Some(text) => text.parse().unwrap_or_else(|error| {
            wrong.push(format!("{name}={text:?}: {error}"));
            default
        }),
    }
}

fn names(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn reply_url(given: Option<String>, wrong: &mut Vec<String>) -> Option<CallUrl> {
    let text = given.filter(|text| !text.is_empty())?;
    let url = text.parse().ok();
    if url.is_none() {
        wrong.push(
            "REPLY_URL is not a URL; write one like http://localhost:9000/replies".to_owned(),
        );
    }
    url
}
