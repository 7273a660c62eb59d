//! The texter's settings from its environment, checked as a whole: all wrong variables are named
//! at once, and no secret's value is repeated.

use std::{fmt, net::IpAddr};

use serve::Variables;
use url::{Host, Url};
use webhooks_core::SharedSecret;

use crate::{
    ledger::StoreLocation, number::PhoneNumber, signature::WebhookCheck, times::TimeLimits,
};

/// For `--help`: every variable, its default and its meaning.
pub const VARIABLES: &str = "\
Variables (also read from a file .env):
  SMS_TWILIO_SID          required: the account's SID, AC and 32 hexadecimal digits
  SMS_TWILIO_TOKEN        required: the account's auth token
  SMS_TWILIO_FROM_NUMBER  required: the sender, like +15005550006
  SMS_TWILIO_TO_NUMBER    required: whom to text, like +15555550100
  SMS_TWILIO_BASE_URL     where Twilio's API is [https://api.twilio.com]
  WEBHOOK_SECRET          webhooks must be signed with one of these secrets, whsec_… or whpk_…,
                          separated by commas [none: unsigned webhooks are texted]
  PUBLIC_URL              where Twilio reaches this program, for status callbacks
                          [its own address when SMS_TWILIO_BASE_URL is on loopback, else none]
  SMS_DAILY_LIMIT         texts a day (UTC) at most, 1 to 50000 [100]
  TEXTER_STORE            the SQLite file that records texts; :memory: keeps nothing [texter.db]
  HOST                    the address to listen on [127.0.0.1]
  PORT                    the port to listen on, 0 for any free one [9000]
  DEMO_PAGES              pages to link, as name=URL separated by spaces [none]
  RUST_LOG                what to log [info]
--licences prints the licences of what this program contains.";

const DEFAULT_BASE_URL: &str = "https://api.twilio.com";
const DEFAULT_STORE: &str = "texter.db";
const DEFAULT_PORT: u16 = 9000;
/// A hundred texts cost about a dollar; a loop that went wrong must not cost more in a day.
const DEFAULT_DAILY_LIMIT: u32 = 100;
/// Below the number of texts that are remembered, because a day's texts are counted among them.
const DAILY_LIMIT_MAX: u32 = 50_000;
/// `AC`, then this many hexadecimal digits.
const SID_DIGITS: usize = 32;

/// Everything that is configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The Twilio account that pays.
    pub account: Account,
    /// The sender of the texts.
    pub from: PhoneNumber,
    /// The recipient of the texts.
    pub to: PhoneNumber,
    /// The secrets that webhooks may be signed with; `None` accepts unsigned ones too.
    pub(crate) webhooks: Option<WebhookCheck>,
    /// The URL at which Twilio reaches this program.
    pub public_url: Option<Url>,
    /// Maximum number of texts a day.
    pub daily_limit: u32,
    /// Where the texts are recorded.
    pub store: StoreLocation,
    /// The address to listen on.
    pub host: serve::Host,
    /// The port to listen on.
    pub port: u16,
    /// The pages of programs that run together with this one.
    pub pages: serve::Pages,
    /// Time limits; no variable changes them.
    pub times: TimeLimits,
}

/// A Twilio account, and where its API is.
#[derive(Clone)]
pub struct Account {
    pub(crate) sid: String,
    pub(crate) token: SharedSecret,
    pub(crate) base_url: Url,
}

/// The account can't be used: which part is wrong, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {wrong}")]
pub struct AccountError {
    /// `sid`, `token` or `base_url`.
    pub part: &'static str,
    /// What is wrong with it; never its value.
    pub wrong: String,
}

impl Account {
    /// The account `sid` with its auth token, at Twilio or at another server's `base_url`.
    ///
    /// # Errors
    /// [`AccountError`] names the part to correct.
    pub fn new(sid: &str, token: &str, base_url: Option<&str>) -> Result<Self, AccountError> {
        let named = |part| move |wrong| AccountError { part, wrong };
        let base_url = base_url.unwrap_or(DEFAULT_BASE_URL);
        Ok(Self {
            sid: account_sid(sid).map_err(named("sid"))?,
            token: auth_token(token).map_err(named("token"))?,
            base_url: plain_url(base_url).map_err(named("base_url"))?,
        })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({}, Secret(..))", self.base_url)
    }
}

impl Config {
    /// Reads the configuration; `None` if something is missing, which is recorded in `variables`.
    pub fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let sid = variables.required("SMS_TWILIO_SID", account_sid);
        let token = variables.required("SMS_TWILIO_TOKEN", auth_token);
        let from = variables.required("SMS_TWILIO_FROM_NUMBER", |text| {
            PhoneNumber::sender(text).ok_or_else(|| {
                "must be a number like +15005550006, a short code or a sender's name".to_owned()
            })
        });
        let to = variables.required("SMS_TWILIO_TO_NUMBER", |text| {
            PhoneNumber::recipient(text)
                .ok_or_else(|| "must be a number like +15555550100".to_owned())
        });
        let base_url = variables
            .optional("SMS_TWILIO_BASE_URL", plain_url)
            .or_else(|| plain_url(DEFAULT_BASE_URL).ok());
        let webhooks = variables.optional("WEBHOOK_SECRET", WebhookCheck::parse);
        let public_url = variables.optional("PUBLIC_URL", plain_url);
        let daily_limit = variables.optional("SMS_DAILY_LIMIT", |text| match text.parse() {
            Ok(limit @ 1..=DAILY_LIMIT_MAX) => Ok(limit),
            _ => Err(format!(
                "is {text:?}; it must be a whole number from 1 to {DAILY_LIMIT_MAX}"
            )),
        });
        let store = variables.get("TEXTER_STORE");
        let store = StoreLocation::parse(store.as_deref().unwrap_or(DEFAULT_STORE));
        let (host, port, pages) = (
            variables.host(),
            variables.port(DEFAULT_PORT),
            variables.pages(),
        );
        Some(Self {
            account: Account {
                sid: sid?,
                token: token?,
                base_url: base_url?,
            },
            from: from?,
            to: to?,
            webhooks,
            public_url,
            daily_limit: daily_limit.unwrap_or(DEFAULT_DAILY_LIMIT),
            store,
            host,
            port,
            pages,
            times: TimeLimits::default(),
        })
    }

    /// Where Twilio should report what becomes of a text, if this program listens on `port`.
    #[must_use]
    pub fn callback_base(&self, port: u16) -> Option<Url> {
        if let Some(url) = &self.public_url {
            return Some(url.clone());
        }
        if !is_loopback(&self.account.base_url) {
            return None;
        }
        // A server on the same machine reaches "any address" through loopback.
        let host = match self.host.address {
            host if !host.is_unspecified() => host,
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        };
        Url::parse(&format!("http://{}", std::net::SocketAddr::new(host, port))).ok()
    }

    /// Whether the auth token would leave this machine unencrypted.
    #[must_use]
    pub fn token_travels_in_the_clear(&self) -> bool {
        self.account.base_url.scheme() == "http" && !is_loopback(&self.account.base_url)
    }

    /// Whether a stand-in for Twilio on this machine is used, so that nothing costs money.
    #[must_use]
    pub fn has_pretend_account(&self) -> bool {
        is_loopback(&self.account.base_url)
    }

    /// Whether webhooks must be signed.
    #[must_use]
    pub fn requires_signatures(&self) -> bool {
        self.webhooks.is_some()
    }
}

fn account_sid(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("AC").unwrap_or_default();
    let fits = digits.len() == SID_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| text.to_owned())
        .ok_or_else(|| "must be AC and 32 hexadecimal digits".to_owned())
}

fn auth_token(text: &str) -> Result<SharedSecret, String> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a character that no auth token has".to_owned());
    }
    SharedSecret::parse(text).map_err(|error| format!("is not valid: {error}"))
}

/// A URL that paths can be added to. The value is not repeated: a mistyped one may hold a password.
fn plain_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| {
        format!("is not a URL ({error}); it must look like https://example.com")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user name or password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not contain ? or #".to_owned());
    }
    Ok(url)
}

/// `url` with `path` after whatever path it has.
pub(crate) fn below(url: &Url, path: &str) -> String {
    format!("{}/{path}", url.as_str().trim_end_matches('/'))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, serve::SettingsError> {
        let sid = format!("AC{}", "0".repeat(SID_DIGITS));
        let fixed = [
            ("SMS_TWILIO_SID", sid.as_str()),
            ("SMS_TWILIO_TOKEN", "planted-token"),
            ("SMS_TWILIO_FROM_NUMBER", "+15005550006"),
            ("SMS_TWILIO_TO_NUMBER", "+15555550100"),
        ];
        let find = |name: &str| {
            let mut all = changes.iter().chain(&fixed);
            all.find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Variables::of(find).read(Config::read)
    }

    #[test]
    fn four_variables_are_enough() {
        let config = read(&[]).unwrap();
        assert_eq!(config.account.base_url.as_str(), "https://api.twilio.com/");
        assert_eq!(
            (config.host.address.to_string().as_str(), config.port),
            ("127.0.0.1", 9000)
        );
        assert_eq!(config.daily_limit, DEFAULT_DAILY_LIMIT);
        assert!(!config.requires_signatures());
        assert_eq!(config.callback_base(9000), None);
        assert!(!format!("{config:?}").contains("planted"));
        assert!(!format!("{config:?}").contains("5550"));
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_no_secret_is_repeated() {
        let wrong = [
            ("SMS_TWILIO_SID", "AC-planted"),
            ("SMS_TWILIO_TOKEN", "planted token"),
            ("SMS_TWILIO_FROM_NUMBER", ""),
            ("SMS_TWILIO_TO_NUMBER", "555planted"),
            ("SMS_TWILIO_BASE_URL", "ftp://planted"),
            ("WEBHOOK_SECRET", "planted"),
            ("PUBLIC_URL", "https://planted:planted@example.com"),
            ("SMS_DAILY_LIMIT", "0"),
            ("PORT", "90000"),
        ];
        let told = read(&wrong).unwrap_err().to_string();
        let lines: Vec<&str> = told.lines().skip(1).collect();
        assert_eq!(lines.len(), wrong.len(), "{told}");
        for ((name, _), line) in wrong.iter().zip(lines) {
            assert!(told.contains(name) && !line.contains("planted"), "{line}");
        }
    }

    #[test]
    fn a_host_that_a_shell_or_conda_sets_does_not_stop_the_texter() {
        for host in ["localhost", "x86_64-conda-linux-gnu"] {
            let config = read(&[("HOST", host)]).unwrap();
            assert_eq!(config.host.address.to_string(), "127.0.0.1");
        }
    }

    #[test]
    fn every_variable_is_in_the_help() {
        let asked = std::cell::RefCell::new(Vec::new());
        let look_up = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            None
        };
        let _ = Variables::of(look_up).read(Config::read);
        let asked = asked.into_inner();
        assert!(asked.len() >= 11, "{asked:?}");
        for name in asked {
            assert!(VARIABLES.contains(&format!("\n  {name} ")), "{name}");
        }
    }

    #[test]
    fn status_callbacks_come_to_the_public_url_or_to_loopback() {
        let base = |changes: &[(&str, &str)]| {
            let url = read(changes).unwrap().callback_base(7)?;
            Some(below(&url, "status/x"))
        };
        let phone = ("SMS_TWILIO_BASE_URL", "http://localhost:9020");
        assert_eq!(
            base(&[phone]).as_deref(),
            Some("http://127.0.0.1:7/status/x")
        );
        assert_eq!(
            base(&[phone, ("HOST", "::")]).as_deref(),
            Some("http://[::1]:7/status/x")
        );
        assert_eq!(
            base(&[("PUBLIC_URL", "https://example.com/texter/")]).as_deref(),
            Some("https://example.com/texter/status/x")
        );
    }

    #[test]
    fn a_token_in_the_clear_is_noticed() {
        let travels = |url| {
            read(&[("SMS_TWILIO_BASE_URL", url)])
                .unwrap()
                .token_travels_in_the_clear()
        };
        assert!(travels("http://phone.example"));
        assert!(!travels("http://127.0.0.1:9020"));
        assert!(!travels("https://phone.example"));
    }
}
