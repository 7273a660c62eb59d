//! `scripts/demo` as a person runs it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    phone::Phone,
    program::free_ports,
    waiting::{PATIENCE, until},
};

/// A running `scripts/demo` in a process group of its own, as a terminal gives it one.
#[derive(Debug)]
pub struct Demo {
    /// The script itself.
    pub child: Child,
    group: u32,
    output: PathBuf,
    /// Where it runs and keeps its data.
    pub directory: TempDir,
    ports: [u16; 4],
}

const PORTS: [&str; 4] = ["BUTTON_PORT", "TEXTER_PORT", "PHONE_PORT", "POLIS_PORT"];

impl Demo {
    /// Starts it on free ports and waits until it is up.
    ///
    /// # Errors
    /// When it does not come up; the error shows what it says.
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
        let ports = consecutive_last(free_ports()?)?;
        let directory = tempfile::tempdir()?;
        let output = directory.path().join("output");
        let file = std::fs::File::create(&output)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/demo");
        let mut command = Command::new(script);
        command
            .arg("--no-open")
            .args(arguments)
            .envs(PORTS.iter().zip(ports.map(|port| port.to_string())))
            .env("TMPDIR", directory.path())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            // From any directory.
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        for variable in ["SID", "TOKEN", "FROM_NUMBER", "TO_NUMBER"] {
            command.env_remove(format!("SMS_TWILIO_{variable}"));
        }
        let child = command.spawn().context("scripts/demo can't be started")?;
        let group = child.id().context("scripts/demo ended at once")?;
        Ok(Self {
            child,
            group,
            output,
            directory,
            ports,
        })
    }

    /// The ports of button, texter, phone and polis; polis's page is on the one after the last.
    #[must_use]
    pub fn ports(&self) -> [u16; 4] {
        self.ports
    }

    /// The button's page.
    #[must_use]
    pub fn button_url(&self) -> String {
        format!("http://localhost:{}", self.ports[0])
    }

    /// The texter.
    #[must_use]
    pub fn texter_url(&self) -> String {
        format!("http://localhost:{}", self.ports[1])
    }

    /// polis's page.
    #[must_use]
    pub fn polis_url(&self) -> String {
        format!("http://localhost:{}", self.ports[3] + 1)
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> Phone {
        Phone::at(format!("http://localhost:{}", self.ports[2]))
    }

    /// The pages with their names, in the order in which they are linked.
    #[must_use]
    pub fn pages(&self) -> [(&'static str, String); 4] {
        [
            ("button", self.button_url()),
            ("phone", self.phone().url),
            ("texter", self.texter_url()),
            ("polis", self.polis_url()),
        ]
    }

    /// What it printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until everything runs.
    ///
    /// # Errors
    /// When it does not; the error shows what it says.
    pub async fn is_up(&self) -> anyhow::Result<()> {
        until("scripts/demo to be up", PATIENCE * 2, || async {
            let output = self.output();
            if !output.contains("Ctrl-C stops everything") {
                bail!("it says:\n{output}");
            }
            Ok(())
        })
        .await
    }

    /// What Ctrl-C in a terminal does: the signal goes to every process of the group.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn interrupt(&self) -> anyhow::Result<()> {
        let group = format!("-{}", self.group);
        let sent = Command::new("kill")
            .args(["-INT", "--", &group])
            .status()
            .await?;
        if !sent.success() {
            bail!("kill: {sent}");
        }
        Ok(())
    }

    /// The processes of the demo's group that still run.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn left(&self) -> anyhow::Result<String> {
        let group = self.group.to_string();
        let listed = Command::new("ps")
            .args(["-e", "-o", "pgid=,pid=,stat=,args="])
            .output()
            .await?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let left = listed.lines().filter(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(&group) && !words.nth(1).unwrap_or("Z").starts_with('Z')
        });
        Ok(left.collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let group = format!("-{}", self.group);
        let _ = std::process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

/// polis's page is on the port after its own: the last port must have a free one behind it.
fn consecutive_last(ports: [u16; 4]) -> anyhow::Result<[u16; 4]> {
    let [button, texter, phone, _] = ports;
    for _ in 0..100 {
        let [polis] = free_ports()?;
        let page = polis.checked_add(1).filter(|page| !ports.contains(page));
        if let Some(page) = page
            && std::net::TcpListener::bind(("127.0.0.1", page)).is_ok()
        {
            return Ok([button, texter, phone, polis]);
        }
    }
    bail!("no two consecutive free ports")
}
