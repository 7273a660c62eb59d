//! The settings polis runs with.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serve::{Faults, Given, Layers, SettingsError, Surroundings, size};
use url::Url;

use super::{
    Flags,
    file::{File, read_file},
    ports::{Ports, Written},
    scopes::scopes,
    verification::{SecretsFiles, http_url, verification},
};
use crate::{
    answer::{CHALLENGES, NumberOrText, RuleSpec, Rules},
    scope::ScopeSettings,
    store::Keep,
    terminal::Output,
};

/// How much of one body is kept: 10 MB.
const BODY_BYTES: usize = 10_000_000;

/// The settings that polis is started with.
#[derive(Debug)]
pub struct Settings {
    /// Address that captures.
    pub host: IpAddr,
    /// Port that captures; 0 for a free one.
    pub port: u16,
    /// Port of page and API; `None` for the one after `port`.
    pub ui_port: Option<u16>,
    /// The origin whose pages may show the page in a frame; none by default.
    pub frame_origin: Option<serve::FrameOrigin>,
    /// Where senders reach polis, if that is not where it listens.
    pub public_url: Option<String>,
    /// How much is kept.
    pub keep: Keep,
    /// How much of one body is kept.
    pub body_limit: usize,
    /// Other limits of what one sender may cost.
    pub limits: serve::Limits,
    /// SQLite file.
    pub store: Option<PathBuf>,
    /// Where replays may go besides this machine.
    pub replay_to: Vec<Url>,
    /// The log; `None` for none.
    pub output: Option<Output>,
    /// The scope of everything outside `/in/<name>/`.
    pub default_scope: ScopeSettings,
    /// Scopes that exist from the start.
    pub scopes: BTreeMap<String, ScopeSettings>,
    /// The pages of programs that run together with this one.
    pub pages: serve::Pages,
    /// What is odd about the settings, without being a reason not to start; one sentence each.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let ports = Ports::default();
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: ports.port,
            ui_port: ports.ui_port,
            frame_origin: None,
            public_url: None,
            keep: Keep::default(),
            body_limit: BODY_BYTES,
            limits: serve::Limits::default(),
            store: None,
            replay_to: Vec::new(),
            output: Some(Output::default()),
            default_scope: ScopeSettings::default(),
            scopes: BTreeMap::new(),
            pages: serve::Pages::default(),
            warnings: Vec::new(),
        }
    }
}

impl Settings {
    /// Settings for tests: free ports, no log.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            port: 0,
            output: None,
            ..Self::default()
        }
    }

    pub(crate) fn page_port(&self) -> u16 {
        let Self { port, ui_port, .. } = *self;
        Ports { port, ui_port }.page()
    }

    /// Reads flags, variables, `.env` and `polis.toml`.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong.
    pub fn read(flags: Flags, around: &Surroundings) -> Result<Self, SettingsError> {
        let mut faults = Faults(around.faults());
        let (file, file_name) = read_file::<File>(flags.config.as_deref(), &mut faults);
        let layers = Layers {
            around,
            file_name: &file_name,
        };
        let mut warnings = Vec::new();
        let host = host(&layers, flags.host, file.host, (&mut faults, &mut warnings));
        let written = Written {
            port: file.port,
            ui_port: file.ui_port,
        };
        let Ports { port, ui_port } =
            Ports::pick(&layers, (flags.port, flags.ui_port), written, &mut faults);
        let frame_origin = faults.read(
            layers.pick(
                "--frame-origin",
                flags.frame_origin,
                "FRAME_ORIGIN",
                "",
                None,
            ),
            "write an origin like http://localhost:9030",
            |text| serve::FrameOrigin::parse(text).ok(),
        );
        let size_due = "a size is bytes, or like 10MB";
        let keep_usual = Keep::default();
        let keep = Keep {
            requests: faults
                .read(
                    layers.plain("keep_requests", flags.keep_requests, file.keep_requests),
                    "it must be a number of requests, 1 or more",
                    |text| text.parse().ok().filter(|count| *count > 0),
                )
                .unwrap_or(keep_usual.requests),
            bytes: faults
                .read(
                    layers.plain("keep_bytes", flags.keep_bytes, file.keep_bytes),
                    size_due,
                    size,
                )
                .unwrap_or(keep_usual.bytes),
        };
        let body_limit = faults
            .read(
                layers.plain("body_limit", flags.body_limit, file.body_limit),
                size_due,
                size,
            )
            .unwrap_or(BODY_BYTES);
        let replay_to = flags
            .replay_to
            .iter()
            .map(|url| ("--replay-to".to_owned(), url))
            .chain(
                file.replay_to
                    .iter()
                    .map(|url| (format!("replay_to in {file_name}"), url)),
            )
            .filter_map(|(source, url)| http_url(Given::new(source, url), &mut faults))
            .collect();

        let spec = RuleSpec {
            respond: layers
                .pick(
                    "--respond",
                    flags.respond,
                    "STATUS_CODE",
                    "respond",
                    file.respond.map(|value| value.to_string()),
                )
                .and_then(|given| {
                    checked(&given, &mut faults, |text| RuleSpec {
                        respond: Some(NumberOrText::Text(text.into())),
                        ..RuleSpec::default()
                    })
                })
                .map(NumberOrText::Text),
            sleep: layers
                .pick(
                    "--sleep",
                    flags.sleep,
                    "SECONDS_TO_SLEEP",
                    "seconds_to_sleep",
                    file.seconds_to_sleep.map(|value| value.to_string()),
                )
                .and_then(|given| {
                    checked(&given, &mut faults, |text| RuleSpec {
                        sleep: Some(NumberOrText::Text(text.into())),
                        ..RuleSpec::default()
                    })
                })
                .map(NumberOrText::Text),
            fail_rate: faults.read(
                layers.plain("fail_rate", flags.fail_rate, file.fail_rate),
                "it must be a fraction from 0 to 1",
                |text| text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate)),
            ),
            seed: faults.read(
                layers.plain("seed", flags.seed, file.seed),
                "it must be a whole number",
                |text| text.parse().ok(),
            ),
            retry_after: faults.read(
                layers.plain("retry_after", flags.retry_after, file.retry_after),
                "it must be a number of seconds",
                |text| text.parse().ok(),
            ),
            headers: if flags.header.is_empty() {
                file.headers
            } else {
                flags.header
            },
            hang: flags.hang,
            reset: flags.reset,
            slow_body: faults.read(
                flags
                    .slow_body
                    .map(|value| Given::new("--slow-body", value)),
                "it must be the seconds between two bytes",
                |text| text.parse().ok(),
            ),
            huge_body: faults
                .read(
                    flags
                        .huge_body
                        .map(|value| Given::new("--huge-body", value)),
                    size_due,
                    size,
                )
                .map(|bytes| bytes as u64),
            redirect: flags.redirect.or(file.redirect),
            forward: flags.forward.or(file.forward),
            ..body(flags.body.or(file.body).as_deref(), &mut faults)
        };
        let mut specs = file.rules;
        if flags.challenge || file.challenge {
            specs.extend(CHALLENGES.map(|place| RuleSpec {
                echo: Some(place.to_owned()),
                ..RuleSpec::default()
            }));
        }
        let first_of_flags = specs.len() + 1;
        specs.push(spec);
        let rules = Rules::new(specs).unwrap_or_else(|found| {
            let of_flags = format!("rule {first_of_flags}: ");
            for fault in found {
                match fault.strip_prefix(&of_flags) {
                    Some(own) => faults.add(format!("--{own}")),
                    None => faults.add(format!("{file_name}: {fault}")),
                }
            }
            Rules::default()
        });
        let own = Some("POLIS_SECRETS");
        let is_checked = flags.verify.is_some()
            || file.verify.is_some()
            || (file.scopes.values()).any(|scope| scope.secrets_variable.as_deref() == own);
        let given = serve::numbered("POLIS_SECRETS", |name| around.variable(name));
        if !is_checked && let Some(given) = given.first() {
            warnings.push(format!(
                "no signature is checked: {} has secrets, but nothing says whose they are; add --verify standard, or another preset",
                given.source
            ));
        }
        let public_url = flags.public_url.or(file.public_url);
        let verification = verification(
            &layers,
            layers.plain("verify", flags.verify, file.verify),
            &SecretsFiles {
                flag: flags.secrets_file,
                file: file.secrets_file.map(PathBuf::from),
            },
            flags.enforce || file.enforce.unwrap_or(false),
            public_url.clone(),
            (&mut faults, &mut warnings),
        );
        let scopes = scopes(&layers, file.scopes, (&mut faults, &mut warnings));
        let pages = around
            .variable(serve::PAGES_VARIABLE)
            .and_then(|given| match given.value.parse() {
                Ok(pages) => Some(pages),
                Err(wrong) => {
                    faults.add(format!("{}: {wrong}", given.source));
                    None
                }
            })
            .unwrap_or_default();
        faults.none()?;
        Ok(Self {
            pages,
            host,
            port,
            ui_port,
            frame_origin,
            public_url,
            keep,
            body_limit,
            limits: serve::Limits::default(),
            store: flags.store.or(file.store.map(PathBuf::from)),
            replay_to,
            output: (!flags.quiet).then_some(Output {
                json: flags.json,
                show_secrets: flags.show_secrets,
            }),
            default_scope: ScopeSettings {
                rules,
                verification,
                ..ScopeSettings::default()
            },
            scopes,
            warnings,
        })
    }
}

/// Where to listen. A shell or conda may set HOST to the machine's or a compiler's name, which
/// gives a warning but does not stop polis.
fn host(
    layers: &Layers<'_>,
    flag: Option<String>,
    in_file: Option<String>,
    (faults, warnings): (&mut Faults, &mut Vec<String>),
) -> IpAddr {
    let read = |text: &str| text.parse().ok().map(|host: serve::Host| host.address);
    let mut given = layers.pick("--host", flag, "HOST", "host", in_file.clone());
    if let Some(variable) = given.as_ref().filter(|given| given.source == "HOST")
        && let Some(ignored) = serve::Host::of_variable(Some(&variable.value)).ignored
    {
        warnings.push(format!("{ignored}, or give --host"));
        given = layers.pick("--host", None, "", "host", in_file);
    }
    faults
        .read(
            given,
            "write an address like 127.0.0.1, 0.0.0.0 or localhost",
            read,
        )
        .unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// Returns a value if a rule accepts it; else the fault names where it was set.
fn checked(
    given: &Given,
    faults: &mut Faults,
    spec: impl FnOnce(&str) -> RuleSpec,
) -> Option<String> {
    match Rules::new(vec![spec(given.value.trim())]) {
        Ok(_) => Some(given.value.trim().to_owned()),
        Err(found) => {
            for fault in found {
                // The name of the flag or variable says more than "rule 1: respond: …".
                let reason = fault.splitn(3, ": ").nth(2).unwrap_or(&fault).to_owned();
                faults.add(format!("{}: {reason}", given.source));
            }
            None
        }
    }
}

fn body(value: Option<&str>, faults: &mut Faults) -> RuleSpec {
    let mut spec = RuleSpec::default();
    match value.map(|text| (text, text.strip_prefix('@'))) {
        None => {}
        Some((text, None)) => spec.body = Some(text.to_owned()),
        Some((_, Some(path))) => match std::fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => spec.body = Some(text),
                Err(error) => spec.body_base64 = Some(STANDARD.encode(error.as_bytes())),
            },
            Err(error) => faults.add(format!("--body @{path}: {error}")),
        },
    }
    spec
}
