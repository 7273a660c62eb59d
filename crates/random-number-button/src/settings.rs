//! The button's settings, read from environment variables; all problems are reported at once.

use std::num::NonZeroU32;

use serve::Variables;
use url::Url;
use webhooks_core::Secret;

use crate::{draws::is_postgres, journeys::KEPT_MAX, press_limit::Allowed, target::Target};

/// The port of the talk's button.
const PORT_DEFAULT: u16 = 9090;
/// The port of the talk's texter.
const WEBHOOK_URLS_DEFAULT: &str = "http://localhost:9000";
/// The events and their deliveries, in the directory the button is started in.
const STORE_DEFAULT: &str = "button.db";
/// The default endpoint is on this machine, so this machine is allowed. Setting
/// `WEBHOOK_ALLOW_NETWORKS` replaces it.
const ALLOW_NETWORKS_DEFAULT: [&str; 2] = ["127.0.0.0/8", "::1/128"];
/// More endpoints than anybody needs for one button.
const TARGETS_MAX: usize = 20;
/// Nobody presses faster than this for long.
const PRESSES_PER_MINUTE_DEFAULT: u32 = 10;
/// Each press costs a text; the texter's own daily limit is the same.
const PRESSES_PER_DAY_DEFAULT: u32 = 100;
/// The word for no limit, where a press costs nothing.
const UNLIMITED: &str = "unlimited";
/// As many as are kept in the store, so that a restart forgets no press of the day.
const PRESSES_MAX: u32 = 1_000;
const _: () = assert!(PRESSES_MAX as usize <= KEPT_MAX);

/// The variables, as `--help` describes them.
pub const VARIABLES: &str = "\
Environment variables (a file .env is read too):
  PORT                    where the page is served; 9090
  HOST                    the address to listen on; 127.0.0.1
  HOST_NAMES              names the page is published under, separated by commas; none
  FRAME_ORIGIN            the origin whose pages may frame this one, like http://localhost:9030; none
  WEBHOOK_URLS            where the number goes; http://localhost:9000. Further addresses are in
                          WEBHOOK_URLS_1 to _99; polis=http://localhost:9001 gives one a name
  TEXTER_URL              where to ask what became of the text; the first of WEBHOOK_URLS
  WEBHOOK_SECRET          signs the webhooks, whsec_...; generated when it is not set
  WEBHOOK_ALLOW_NETWORKS  private networks that webhooks may go to; 127.0.0.0/8,::1/128
  BUTTON_STORE            the file that keeps the events, button.db; or, when built with the feature
                          postgres, a database: postgres://user@host/name
  DEMO_TWIN               another button on the same Postgres database, which this one may kill; none
  DEMO_TWIN_SECRET        the secret that both buttons share; none
  PRESSES_PER_MINUTE      10 at most, since each press costs a text; or unlimited
  PRESSES_PER_DAY         100 at most; or unlimited
  DEMO_PAGES              pages to link, as name=URL separated by spaces; none
  RUST_LOG                how much is logged; info
--licences prints the licences of what this program contains.";

/// Everything that can be configured.
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
    /// Where to ask what became of a text.
    pub texter: Url,
    /// Signs the webhooks; generated if none is given.
    pub secret: Option<Secret>,
    /// Private networks that webhooks may go to.
    pub allow_networks: Vec<String>,
    /// The file that keeps the events, or the Postgres database.
    pub store: String,
    /// Another button on the same database.
    pub twin: Option<TwinAt>,
    /// How often the button may be pressed.
    pub presses: Allowed,
    /// The pages of programs that run together with this one.
    pub pages: serve::Pages,
    /// The origin whose pages may frame this one.
    pub frame_origin: Option<serve::FrameOrigin>,
}

/// The other button's URL, and the secret that both share.
#[derive(Clone)]
pub struct TwinAt {
    /// Its page.
    pub url: Url,
    /// The same for both buttons.
    pub secret: String,
}

impl std::fmt::Debug for TwinAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TwinAt")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the settings; `None` if something is missing, which is recorded in `variables`.
    pub fn read(variables: &mut Variables<'_>) -> Option<Self> {
        let (port, host) = (variables.port(PORT_DEFAULT), variables.host());
        let targets = targets(variables);
        let texter = texter(variables, targets.first());
        let secret = variables.optional("WEBHOOK_SECRET", secret);
        let presses = Allowed {
            a_minute: presses(variables, "PRESSES_PER_MINUTE", PRESSES_PER_MINUTE_DEFAULT),
            a_day: presses(variables, "PRESSES_PER_DAY", PRESSES_PER_DAY_DEFAULT),
        };
        let host_names = variables.list("HOST_NAMES");
        let mut allow_networks = variables.list("WEBHOOK_ALLOW_NETWORKS");
        if allow_networks.is_empty() {
            allow_networks = ALLOW_NETWORKS_DEFAULT.map(str::to_owned).to_vec();
        }
        let store = variables.get("BUTTON_STORE");
        let store = store.unwrap_or_else(|| STORE_DEFAULT.to_owned());
        if is_postgres(&store) && !cfg!(feature = "postgres") {
            variables.is_wrong(
                "BUTTON_STORE is a Postgres database, but this program was built without Postgres; \
                 build it with --features postgres",
            );
        }
        let twin = twin(variables, &store);
        Some(Self {
            host,
            port,
            host_names,
            targets,
            texter: texter?,
            secret,
            allow_networks,
            store,
            twin,
            presses,
            pages: variables.pages(),
            frame_origin: variables.frame_origin(),
        })
    }

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

fn presses(variables: &mut Variables<'_>, name: &str, default: u32) -> Option<NonZeroU32> {
    let shape = format!("a number, 1 to {PRESSES_MAX}, or {UNLIMITED}");
    let presses = variables.optional(name, |text| match text.parse::<NonZeroU32>() {
        _ if text == UNLIMITED => Ok(None),
        Ok(presses) if presses.get() <= PRESSES_MAX => Ok(Some(presses)),
        _ => Err(format!("is {text:?}; it must be {shape}")),
    });
    presses.unwrap_or_else(|| NonZeroU32::new(default))
}

fn targets(variables: &mut Variables<'_>) -> Vec<Target> {
    let mut listed = variables.numbered("WEBHOOK_URLS");
    if listed.is_empty() {
        listed.push(WEBHOOK_URLS_DEFAULT.to_owned());
    }
    if listed.len() > TARGETS_MAX {
        variables.is_wrong(format!(
            "WEBHOOK_URLS and its numbered variables have {} addresses; the limit is {TARGETS_MAX}",
            listed.len()
        ));
    }
    let mut targets: Vec<Target> = Vec::new();
    for text in listed {
        match Target::parse(&text) {
            Ok(target) if targets.iter().any(|known| known.url == target.url) => {}
            Ok(target) => targets.push(target),
            Err(problem) => variables.is_wrong(format!("WEBHOOK_URLS {problem}")),
        }
    }
    targets
}

/// The other button; both share a database and a secret.
fn twin(variables: &mut Variables<'_>, store: &str) -> Option<TwinAt> {
    let url = variables.optional("DEMO_TWIN", Target::parse)?.url;
    let secret = variables.get("DEMO_TWIN_SECRET");
    if !is_postgres(store) {
        variables
            .is_wrong("DEMO_TWIN needs a BUTTON_STORE that both buttons use: a Postgres database");
    }
    if secret.is_none() {
        variables.is_wrong("DEMO_TWIN needs DEMO_TWIN_SECRET, the same for both buttons");
    }
    Some(TwinAt {
        url,
        secret: secret?,
    })
}

/// The texter's base: its own variable, or the origin of the first endpoint.
fn texter(variables: &mut Variables<'_>, first: Option<&Target>) -> Option<Url> {
    if let Some(target) = variables.optional("TEXTER_URL", Target::parse) {
        return Some(target.url);
    }
    let mut base = first?.url.clone();
    base.set_path("/");
    base.set_query(None);
    base.set_fragment(None);
    Some(base)
}

/// A secret that can sign; the value is not repeated.
fn secret(text: &str) -> Result<Secret, String> {
    match text.parse::<Secret>() {
        Ok(secret) if secret.can_sign() => Ok(secret),
        Ok(_) => Err(
            "is a public key (whpk_…), which only checks signatures; set a secret that signs \
             (whsec_… or whsk_…)"
                .to_owned(),
        ),
        Err(error) => Err(format!("can't be used: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, serve::SettingsError> {
        let find = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Variables::of(find).read(Settings::read)
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
            "PORT is \"70000\"; it must be a port, 0 to 65535",
            "\"ftp://a.example\" (only http and https",
            "\"nonsense\"",
            "a user name or password",
            "WEBHOOK_SECRET can't be used: ",
            "PRESSES_PER_DAY is \"0\"; it must be a number, 1 to 1000, or unlimited",
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
        let look_up = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            None
        };
        Variables::of(look_up).read(Settings::read).unwrap();
        for name in asked.into_inner() {
            let name = name.trim_end_matches(|c: char| c == '_' || c.is_ascii_digit());
            assert!(VARIABLES.contains(&format!("  {name} ")), "{name}");
        }
    }
}
