//! `scripts/demo`, run as a person runs it.

use crate::{phone::Phone, port::free_ports, script::Script};

/// A running `scripts/demo`.
#[derive(Debug)]
pub struct Demo {
    /// The script itself.
    pub script: Script,
    ports: [u16; 6],
}

const PORTS: [&str; 6] = [
    "BUTTON_PORT",
    "TEXTER_PORT",
    "PHONE_PORT",
    "POLIS_PORT",
    "RELAY_PORT",
    "TWIN_PORT",
];

impl Demo {
    /// Starts it on free ports and waits until it is up.
    ///
    /// # Errors
    /// When it does not come up; the error shows its output.
    pub async fn up() -> anyhow::Result<Self> {
        let demo = Self::start(&["--no-build"], &[])?;
        demo.is_up().await?;
        Ok(demo)
    }

    /// Starts it on free ports, with further arguments and variables.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(arguments: &[&str], variables: &[(&str, String)]) -> anyhow::Result<Self> {
        let ports = free_ports()?;
        let arguments = [&["--no-open"], arguments].concat();
        let given = PORTS.into_iter().zip(ports.map(|port| port.to_string()));
        let variables: Vec<_> = given.chain(variables.iter().cloned()).collect();
        let script = Script::start("demo", &arguments, &variables)?;
        Ok(Self { script, ports })
    }

    /// The ports of button, texter, phone, polis, relay and the other button; the pages of polis
    /// and relay are on the ports after theirs.
    #[must_use]
    pub fn ports(&self) -> [u16; 6] {
        self.ports
    }

    /// The button's page.
    #[must_use]
    pub fn button_url(&self) -> String {
        format!("http://localhost:{}", self.ports[0])
    }

    /// The other button's page, with `--postgres`.
    #[must_use]
    pub fn twin_url(&self) -> String {
        format!("http://localhost:{}", self.ports[5])
    }

    /// The texter's URL.
    #[must_use]
    pub fn texter_url(&self) -> String {
        format!("http://localhost:{}", self.ports[1])
    }

    /// The page of polis.
    #[must_use]
    pub fn polis_url(&self) -> String {
        format!("http://localhost:{}", self.ports[3] + 1)
    }

    /// The relay's page, with `--relay`.
    #[must_use]
    pub fn relay_url(&self) -> String {
        format!("http://localhost:{}", self.ports[4] + 1)
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> Phone {
        Phone::at(format!("http://localhost:{}", self.ports[2]))
    }

    /// The pages and their names, in the order in which they are linked.
    #[must_use]
    pub fn pages(&self) -> [(&'static str, String); 4] {
        [
            ("button", self.button_url()),
            ("phone", self.phone().url),
            ("texter", self.texter_url()),
            ("polis", self.polis_url()),
        ]
    }

    /// Waits until everything is running.
    ///
    /// # Errors
    /// When it does not come up; the error shows its output.
    pub async fn is_up(&self) -> anyhow::Result<()> {
        self.script.says("Ctrl-C stops everything").await
    }
}
