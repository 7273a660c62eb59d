//! relay.toml: where webhooks come from, and what is done with which of them.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use toml::de::DeTable;
use webhooks_core::AddressPolicy;

use crate::{
    action::Accounts,
    reading::{ConfigError, File, Section, Variables},
    rule::{Rule, rules},
    source::{Source, sources},
};

/// The contents of the file, checked.
#[derive(Debug)]
pub struct Config {
    /// Where webhooks arrive.
    pub listen: SocketAddr,
    /// Where the page is served and the engine's requests arrive: a loopback address.
    pub page: SocketAddr,
    /// The store's file.
    pub store: PathBuf,
    pub(crate) allow_networks: Vec<String>,
    pub(crate) sources: Vec<Source>,
    pub(crate) rules: Vec<Rule>,
}

impl Config {
    /// Reads a file; `variables` returns the value of an environment variable.
    ///
    /// # Errors
    /// [`ConfigError`] names everything that is wrong, with its line.
    pub fn read(
        path: &Path,
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let source = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&source, path, &variables)
    }

    fn parse(source: &str, path: &Path, variables: Variables<'_>) -> Result<Self, ConfigError> {
        let file = File::new(source, path, variables);
        let (table, errors) = DeTable::parse_recoverable(source);
        for error in &errors {
            file.fault(&error.span().unwrap_or_default(), error.message());
        }
        let config = errors.is_empty().then(|| {
            let root = Section::new(&file, table.get_ref(), 0..0);
            Self::of(root)
        });
        let faults = file.into_faults();
        match config.flatten().filter(|_| faults.is_empty()) {
            Some(config) => Ok(config),
            None => Err(ConfigError::Faults {
                path: path.to_owned(),
                faults,
            }),
        }
    }

    fn of(root: Section<'_>) -> Option<Self> {
        let listen = address(&root, "listen", "127.0.0.1:9050");
        let page = address(&root, "page", "127.0.0.1:9051");
        if let Some(page) = page.filter(|page| !page.ip().is_loopback()) {
            let text = format_args!(
                "page is {page}; it must be a loopback address, because anyone who reaches it can use it"
            );
            root.fault(&root.raw("page").map_or(0..0, |text| text.span), text);
        }
        let store = root
            .text("store")
            .map_or("relay.db".to_owned(), |store| store.text);
        let store = root.file.path(&store);
        let allow_networks = networks(&root);
        let accounts = Accounts::read(&root);
        let sources = sources(&root);
        // Includes invalid ones: a rule may name them.
        let named = root.section("source");
        let named = named.iter().flat_map(Section::entries);
        let named: Vec<String> = named.map(|(name, _)| name.text).collect();
        let rules = rules(&root, &named, &accounts);
        root.finish();
        Some(Self {
            listen: listen?,
            page: page?,
            store,
            allow_networks,
            sources,
            rules,
        })
    }

    pub(crate) fn source(&self, name: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    pub(crate) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }
}

fn address(root: &Section<'_>, key: &'static str, default: &str) -> Option<SocketAddr> {
    let text = root.text(key);
    let given = text.as_ref().map_or(default, |text| text.text.as_str());
    let parsed = given.parse().ok();
    if let (None, Some(text)) = (parsed, &text) {
        let given = &text.text;
        root.fault(
            &text.span,
            format_args!(
                "{key} is \"{given}\"; it must be an IP address and a port, such as {default}"
            ),
        );
    }
    parsed
}

fn networks(root: &Section<'_>) -> Vec<String> {
    let mut networks = Vec::new();
    for text in root.texts("allow_networks") {
        match AddressPolicy::default().allow_networks([&text.text]) {
            Ok(_) => networks.push(text.text),
            Err(error) => root.fault(&text.span, error),
        }
    }
    networks
}
