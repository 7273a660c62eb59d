//! A script of the repository, run as a person runs it in a terminal.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::waiting::{PATIENCE, until};

/// A running script in its own process group, as in a terminal.
#[derive(Debug)]
pub struct Script {
    name: String,
    child: Child,
    group: u32,
    output: PathBuf,
    directory: TempDir,
}

impl Script {
    /// Starts `scripts/<name>` in an empty directory, without a real account's variables.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(
        name: &str,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let output = directory.path().join("output");
        let file = std::fs::File::create(&output)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../scripts")
            .join(name);
        let mut command = Command::new(script);
        command
            .args(arguments)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", directory.path())
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        for variable in ["SID", "TOKEN", "FROM_NUMBER", "TO_NUMBER"] {
            command.env_remove(format!("SMS_TWILIO_{variable}"));
        }
        let child = command
            .spawn()
            .with_context(|| format!("scripts/{name} can't be started"))?;
        let group = child
            .id()
            .with_context(|| format!("scripts/{name} ended at once"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            group,
            output,
            directory,
        })
    }

    /// Everything that it and its programs have printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until it has printed `part`.
    ///
    /// # Errors
    /// When it does not within twice [`PATIENCE`]; the error shows what it printed.
    pub async fn says(&self, part: &str) -> anyhow::Result<()> {
        until(
            &format!("scripts/{} to say {part:?}", self.name),
            PATIENCE * 2,
            || async {
                let output = self.output();
                if !output.contains(part) {
                    bail!("it says:\n{output}");
                }
                Ok(())
            },
        )
        .await
    }

    /// Interrupts the script as Ctrl-C in a terminal does: the signal goes to every process of the
    /// group. Waits until the script has ended; returns its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn interrupt(&mut self) -> anyhow::Result<Option<i32>> {
        self.signal("-INT").await?;
        self.ended().await
    }

    /// Waits until the script has ended; returns its exit code.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let name = &self.name;
        let ended = ended.with_context(|| format!("scripts/{name} does not end"))?;
        Ok(ended?.code())
    }

    /// The directory in which it runs and keeps its temporary files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The processes of the script's group that are still running.
    ///
    /// # Errors
    /// When `ps` can't be run.
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

    /// The names of the files left in its directory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn files_left(&self) -> anyhow::Result<Vec<String>> {
        let names = std::fs::read_dir(self.directory.path())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(names.into_iter().filter(|name| name != "output").collect())
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let group = format!("-{}", self.group);
        let sent = Command::new("kill")
            .args([signal, "--", &group])
            .status()
            .await?;
        if !sent.success() {
            bail!("kill: {sent}");
        }
        Ok(())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let group = format!("-{}", self.group);
        // After a failed test, its programs may still be running.
        let _ = std::process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}
