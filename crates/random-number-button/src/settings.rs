//! The button's settings, read from environment variables; all that is wrong is reported at once.

use std::num::NonZeroU32;

use url::Url;
use webhooks_core::Secret;

use crate::{journeys::KEPT_MAX, press_limit::Allowed, target::Target};

/// The port of the talk's button.
const PORT_DEFAULT: u16 = 9090;
/// The port of the talk's texter.
const WEBHOOK_URLS_DEFAULT: &str = "http://localhost:9000";
/// The events and their deliveries, in the directory the button is started in.
const STORE_DEFAULT: &str = "button.db";
/// The default endpoint is on this machine, so this machine is allowed. Setting
/// `WEBHOOK_ALLOW_NETWORKS` replaces it.
const ALLOW_NETWORKS_DEFAULT: &str = "127.0.0.0/8,::1/128";
/// More endpoints than anybody has for one button.
const TARGETS_MAX: usize = 20;
/// A person does not press faster for long.
const PRESSES_PER_MINUTE_DEFAULT: u32 = 10;
/// Each press costs a text; the texter's own daily limit is the same.
const PRESSES_PER_DAY_DEFAULT: u32 = 100;
/// Where a press costs nothing there need not be a limit.
const UNLIMITED: &str = "unlimited";
/// As many as are kept on record, so that a restart forgets no press of the day.
const PRESSES_MAX: u32 = 1_000;
const _: () = assert!(PRESSES_MAX as usize <= KEPT_MAX);

/// What `--help` says of the variables.
pub const VARIABLES: &str = "\
Environment variables (a file .env is read too):
  PORT                    where the page is served; 9090
  HOST                    the address to listen on; 127.0.0.1
  HOST_NAMES              names the page is published under, separated by commas; none
  FRAME_ORIGIN            whose pages may frame this one, http://localhost:9030; nobody's
  WEBHOOK_URLS            where the number goes; http://localhost:9000. Further addresses are in
                          WEBHOOK_URLS_1 to _99; polis=http://localhost:9001 gives one a name
  TEXTER_URL              who is asked what became of the text; the first of WEBHOOK_URLS
  WEBHOOK_SECRET          whsec_... that signs what is sent; without it one is made up
  WEBHOOK_ALLOW_NETWORKS  private networks that may be sent to; 127.0.0.0/8,::1/128
  BUTTON_STORE            the file that keeps the events; button.db
  PRESSES_PER_MINUTE      10 at most, since each press costs a text; or unlimited
  PRESSES_PER_DAY         100 at most; or unlimited
  DEMO_PAGES              pages to link, as name=URL separated by spaces; none
  RUST_LOG                how much is logged; info";

/// Everything the button can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address to listen on.
    pub host: serve::Host,
    /// The port to listen on; 0 for a free one.
    pub port: u16,
    /// Names, besides localhost and IP addresses, under which the page is published.
    pub host_names: Vec<String>,
    /// Where each number goes; at least one.
    pub targets: Vec<Target>,
    /// Who is asked what became of a text.
    pub texter: Url,
    /// Signs what is sent; one is generated when there is none.
    pub secret: Option<Secret>,
    /// Private networks that may be sent to.
    pub allow_networks: Vec<String>,
    /// The file that keeps the events.
    pub store: String,
    /// How often the button may be pressed.
    pub presses: Allowed,
    /// The pages of programs that run together with this one.
    pub pages: serve::Pages,
}

/// Variables that can't be used, all of them.
#[derive(Debug, thiserror::Error)]
#[error("the button can't start:\n  {}", .0.join("\n  "))]
pub struct SettingsError(Vec<String>);

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`SettingsError`] names every variable that is wrong and what it should be.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables with `get`; an empty variable counts as not set.
    ///
    /// # Errors
    /// [`SettingsError`] names every variable that is wrong and what it should be.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut reader = Reader {
            get,
            problems: Vec::new(),
        };
        let port = reader.parsed("PORT", PORT_DEFAULT, "a port number, 0 to 65535");
        let host = serve::Host::of_variable(reader.var("HOST").as_deref());
        let targets = reader.targets();
        let texter = reader.texter(targets.first());
        let secret = reader.secret();
        let presses = Allowed {
            a_minute: reader.presses("PRESSES_PER_MINUTE", PRESSES_PER_MINUTE_DEFAULT),
            a_day: reader.presses("PRESSES_PER_DAY", PRESSES_PER_DAY_DEFAULT),
        };
        let host_names = reader.list("HOST_NAMES", "");
        let pages = reader.pages();
        let allow_networks = reader.list("WEBHOOK_ALLOW_NETWORKS", ALLOW_NETWORKS_DEFAULT);
        let store = reader
            .var("BUTTON_STORE")
            .unwrap_or_else(|| STORE_DEFAULT.to_owned());
        match texter {
            Some(texter) if reader.problems.is_empty() => Ok(Self {
                host,
                port,
                host_names,
                targets,
                texter,
                secret,
                allow_networks,
                store,
                presses,
                pages,
            }),
            _ => Err(SettingsError(reader.problems)),
        }
    }
}

impl Settings {
    /// The endpoint that is the texter's: the one at the texter's origin, else the first.
    pub(crate) fn texter_endpoint(&self) -> Url {
        let at_texter = |target: &&Target| target.url.origin() == self.texter.origin();
        let endpoint = self.targets.iter().find(at_texter);
        endpoint
            .or(self.targets.first())
            .map_or(&self.texter, |target| &target.url)
            .clone()
    }
}

struct Reader<Get> {
    get: Get,
    problems: Vec<String>,
}

impl<Get: Fn(&str) -> Option<String>> Reader<Get> {
    fn var(&self, name: &str) -> Option<String> {
        (self.get)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn list(&self, name: &str, default: &str) -> Vec<String> {
        self.var(name)
            .unwrap_or_else(|| default.to_owned())
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn parsed<T: std::str::FromStr>(&mut self, name: &str, default: T, shape: &str) -> T {
        let Some(value) = self.var(name) else {
            return default;
        };
        value.parse().unwrap_or_else(|_| {
            self.problems
                .push(format!("{name} is {value:?}; it must be {shape}"));
            default
        })
    }

    fn presses(&mut self, name: &str, default: u32) -> Option<NonZeroU32> {
        if self.var(name).as_deref() == Some(UNLIMITED) {
            return None;
        }
        let shape = format!("a number, 1 to {PRESSES_MAX}, or {UNLIMITED}");
        let presses = self.parsed(name, default, &shape);
        if !(1..=PRESSES_MAX).contains(&presses) {
            self.problems
                .push(format!("{name} is {presses}; it must be {shape}"));
        }
        NonZeroU32::new(presses)
    }

    fn targets(&mut self) -> Vec<Target> {
        let mut listed = serve::numbered("WEBHOOK_URLS", |name| self.var(name));
        if listed.is_empty() {
            listed.push(WEBHOOK_URLS_DEFAULT.to_owned());
        }
        if listed.len() > TARGETS_MAX {
            self.problems.push(format!(
                "WEBHOOK_URLS and its numbered variables have {} addresses; the limit is {TARGETS_MAX}",
                listed.len()
            ));
        }
        let mut targets: Vec<Target> = Vec::new();
        for text in listed {
            match Target::parse(&text) {
                Ok(target) if targets.iter().any(|known| known.url == target.url) => {}
                Ok(target) => targets.push(target),
                Err(problem) => self.problems.push(format!("WEBHOOK_URLS {problem}")),
            }
        }
        targets
    }

    /// The texter's base: its own variable, or the origin of the first endpoint.
    fn texter(&mut self, first: Option<&Target>) -> Option<Url> {
        if let Some(value) = self.var("TEXTER_URL") {
            return match Target::parse(&value) {
                Ok(target) => Some(target.url),
                Err(problem) => {
                    self.problems.push(format!("TEXTER_URL {problem}"));
                    None
                }
            };
        }
        let mut base = first?.url.clone();
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        Some(base)
    }

    fn pages(&mut self) -> serve::Pages {
        let list = self.var(serve::PAGES_VARIABLE).unwrap_or_default();
        list.parse().unwrap_or_else(|error| {
            self.problems
                .push(format!("{}: {error}", serve::PAGES_VARIABLE));
            serve::Pages::default()
        })
    }

    fn secret(&mut self) -> Option<Secret> {
        let value = self.var("WEBHOOK_SECRET")?;
        match value.parse::<Secret>() {
            Ok(secret) if !secret.can_sign() => {
                self.problems.push(
                    "WEBHOOK_SECRET is a public key (whpk_…), which only checks signatures; set a \
                     secret that signs (whsec_… or whsk_…)"
                        .to_owned(),
                );
                None
            }
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problems.push(format!("WEBHOOK_SECRET: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| {
            vars.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_variables_it_is_the_talks_button() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.port, 9090);
        let urls: Vec<&str> = settings.targets.iter().map(|t| t.url.as_str()).collect();
        assert_eq!(urls, ["http://localhost:9000/"]);
        assert_eq!(settings.texter.as_str(), "http://localhost:9000/");
        assert_eq!(settings.store, "button.db");
        assert!(settings.secret.is_none());
    }

    #[test]
    fn the_texter_is_the_first_endpoints_origin_unless_named() {
        let first = ("WEBHOOK_URLS_1", "http://a.example:1/in?x=1");
        let second = ("WEBHOOK_URLS_2", "http://b.example");
        assert_eq!(
            read(&[first, second]).unwrap().texter.as_str(),
            "http://a.example:1/"
        );
        let named = read(&[first, second, ("TEXTER_URL", "http://t.example/base")]).unwrap();
        assert_eq!(named.texter.as_str(), "http://t.example/base");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_no_secret_is_quoted() {
        let error = read(&[
            ("PORT", "70000"),
            ("WEBHOOK_URLS", "ftp://a.example"),
            ("WEBHOOK_URLS_1", "nonsense"),
            ("WEBHOOK_URLS_2", "http://user:hunter2@b.example"),
            ("WEBHOOK_SECRET", "hunter2"),
            ("PRESSES_PER_DAY", "0"),
        ])
        .unwrap_err()
        .to_string();
        for part in [
            "PORT is \"70000\"; it must be a port number",
            "\"ftp://a.example\" (only http and https",
            "\"nonsense\"",
            "a user name or password",
            "WEBHOOK_SECRET: ",
            "PRESSES_PER_DAY is 0; it must be a number, 1 to 1000, or unlimited",
        ] {
            assert!(error.contains(part), "{part} is missing in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_host_that_a_shell_or_conda_sets_does_not_stop_the_button() {
        for host in ["localhost", "x86_64-conda-linux-gnu"] {
            let settings = read(&[("HOST", host)]).unwrap();
            assert_eq!(settings.host.address.to_string(), "127.0.0.1");
        }
        let address = read(&[("HOST", "0.0.0.0")]).unwrap().host.address;
        assert_eq!(address.to_string(), "0.0.0.0");
    }

    #[test]
    fn a_secret_that_cannot_sign_is_blamed_on_its_own_variable() {
        let public = Secret::generate_ed25519().public_half().unwrap().expose();
        let error = read(&[("WEBHOOK_SECRET", &public)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("WEBHOOK_SECRET is a public key"), "{error}");
        assert!(!error.contains("WEBHOOK_URLS"), "{error}");
    }

    #[test]
    fn an_address_with_a_comma_is_one_address() {
        let settings = read(&[
            ("WEBHOOK_URLS", "http://a.example/in?ids=1,2"),
            ("WEBHOOK_URLS_7", "polis=http://b.example/x,y"),
        ])
        .unwrap();
        let urls: Vec<&str> = settings.targets.iter().map(|t| t.url.as_str()).collect();
        assert_eq!(
            urls,
            ["http://a.example/in?ids=1,2", "http://b.example/x,y"]
        );
    }

    #[test]
    fn the_help_names_every_variable() {
        let asked = std::cell::RefCell::new(Vec::new());
        Settings::read(|name| {
            asked.borrow_mut().push(name.to_owned());
            None
        })
        .unwrap();
        for name in asked.into_inner() {
            let name = name.trim_end_matches(|c: char| c == '_' || c.is_ascii_digit());
            assert!(VARIABLES.contains(&format!("  {name} ")), "{name}");
        }
    }
}
