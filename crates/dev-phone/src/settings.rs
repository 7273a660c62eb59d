//! Flags and variables, checked all together so that one start reports everything that is wrong.

use std::{fmt::Display, path::PathBuf, str::FromStr};

use clap::Parser;
use jiff::tz::TimeZone;
use serve::Variables;

use crate::{account::Account, phone::Config};

/// The port to listen on if none is given.
const DEFAULT_PORT: u16 = 9020;

/// Twilio's Messages API, offline, with a phone on a page.
///
/// Account values that are not given default to a development account, which is printed at startup. The token
/// comes only from the variable SMS_TWILIO_TOKEN. A .env file is read too. The variable FRAME_ORIGIN names the one
/// origin, such as http://localhost:9030, whose pages may show the phone in a frame. --licences
/// prints the licences of what this program contains.
#[derive(Debug, Default, Parser)]
#[command(name = "dev-phone", version)]
pub struct Flags {
    /// The port to listen on [env: PORT] [default: 9020]
    #[arg(long)]
    port: Option<String>,
    /// The address to listen on [env: HOST] [default: 127.0.0.1]
    #[arg(long)]
    host: Option<String>,
    /// Where texts written on the page go, as Twilio's inbound webhook [env: REPLY_URL]
    #[arg(long, value_name = "URL")]
    reply_url: Option<String>,
    /// Names, separated by commas, under which the phone is reached besides localhost and IP
    /// addresses, such as a container's [env: PHONE_NAMES]
    #[arg(long, value_name = "NAMES")]
    names: Option<String>,
    /// Keep texts in this file across a restart [env: PHONE_KEEP]
    #[arg(long, value_name = "FILE")]
    keep: Option<String>,
    /// Begin every text as a trial account does [env: PHONE_TRIAL]
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    trial: Option<String>,
    /// Pages to link, as name=URL separated by spaces [env: DEMO_PAGES]
    #[arg(long, value_name = "PAGES")]
    pages: Option<String>,
    /// The account's SID [env: SMS_TWILIO_SID]
    #[arg(long)]
    sid: Option<String>,
    /// The account's sending number [env: SMS_TWILIO_FROM_NUMBER]
    #[arg(long = "from-number", value_name = "NUMBER")]
    from: Option<String>,
    /// The number of the phone on the page [env: SMS_TWILIO_TO_NUMBER]
    #[arg(long = "to-number", value_name = "NUMBER")]
    to: Option<String>,
}

/// The program's settings.
#[derive(Debug)]
pub struct Settings {
    /// The address to listen on.
    pub host: serve::Host,
    /// The port to listen on.
    pub port: u16,
    /// The origin whose pages may frame the phone's.
    pub frame_origin: Option<serve::FrameOrigin>,
    /// The phone.
    pub config: Config,
}

impl Flags {
    /// Reads these flags, and `variables` for what they leave open. Errors are recorded there.
    pub fn settings(self, variables: &mut Variables<'_>) -> Settings {
        for (name, flag) in [
            ("PORT", self.port),
            ("HOST", self.host),
            ("REPLY_URL", self.reply_url),
            ("PHONE_NAMES", self.names),
            ("PHONE_KEEP", self.keep),
            ("PHONE_TRIAL", self.trial),
            (serve::PAGES_VARIABLE, self.pages),
            ("SMS_TWILIO_SID", self.sid),
            ("SMS_TWILIO_FROM_NUMBER", self.from),
            ("SMS_TWILIO_TO_NUMBER", self.to),
        ] {
            variables.set_by_flag(name, flag);
        }
        let development = Account::development();
        let sid = variables.optional("SMS_TWILIO_SID", usable);
        let token = variables.optional("SMS_TWILIO_TOKEN", usable);
        let from = variables.optional("SMS_TWILIO_FROM_NUMBER", usable);
        let to = variables.optional("SMS_TWILIO_TO_NUMBER", usable);
        let account = Account {
            sid: sid.unwrap_or(development.sid),
            token: token.unwrap_or(development.token),
            from: from.unwrap_or(development.from),
            to: to.unwrap_or(development.to),
        };
        // The value is not repeated, because it may contain a password.
        let reply_url = variables.optional("REPLY_URL", |text| {
            text.parse().map_err(|_| {
                "is not a URL; write one like http://localhost:9000/replies".to_owned()
            })
        });
        Settings {
            host: variables.host(),
            port: variables.port(DEFAULT_PORT),
            frame_origin: variables.frame_origin(),
            config: Config {
                account,
                reply_url,
                names: variables.list("PHONE_NAMES"),
                keep: variables.get("PHONE_KEEP").map(PathBuf::from),
                trial: variables.parsed("PHONE_TRIAL", false),
                pages: variables.pages(),
                time_zone: TimeZone::system(),
                ..Config::default()
            },
        }
    }
}

/// The error itself says as much of the value as it may.
fn usable<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error| format!("can't be used: {error}"))
}
