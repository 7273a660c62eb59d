//! One of the workspace's programs, in a process of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use crate::waiting::{PATIENCE, until};

/// A running program; dropping this value kills it.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts the workspace's program `name` in `directory`, with `variables` but nothing else from
    /// this process's environment except PATH. Its output goes to a file in the directory.
    ///
    /// # Errors
    /// When it was not built, or can't be started.
    pub fn start(
        name: &str,
        directory: &Path,
        arguments: &[&str],
        variables: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new(program_path(name)?)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} can't be started"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Waits until `url` answers with 200.
    ///
    /// # Errors
    /// When the program ends or does not answer in time; the error shows its log.
    pub async fn answers(&mut self, url: &str) -> anyhow::Result<()> {
        let answered = until(url, PATIENCE, || async {
            let status = reqwest::get(url).await?.status();
            if status != reqwest::StatusCode::OK {
                bail!("{url} answers {status}");
            }
            Ok(())
        });
        let problem = tokio::select! {
            answered = answered => match answered {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            ended = self.child.wait() => anyhow::anyhow!("it ended: {}", ended?),
        };
        Err(problem.context(format!("{} said:\n{}", self.name, self.log())))
    }

    /// Everything that the program has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks the program to stop, as Ctrl-C does, and waits until it has stopped.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let Some(id) = self.child.id() else {
            return Ok(());
        };
        signal("-TERM", &id.to_string()).await?;
        // The programs' grace period is 10 s.
        tokio::time::timeout(Duration::from_secs(15), self.child.wait())
            .await
            .with_context(|| format!("{} does not stop:\n{}", self.name, self.log()))??;
        Ok(())
    }

    /// Kills the program, as a crash would.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// Sends a signal to a process, or with a leading `-` to a process group.
pub(crate) async fn signal(signal: &str, to: &str) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args([signal, "--", to])
        .status()
        .await?;
    if !status.success() {
        bail!("kill {signal} {to}: {status}");
    }
    Ok(())
}

/// The path at which cargo put the program `name`: next to the tests.
///
/// # Errors
/// When it was not built.
pub fn program_path(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let path = test
        .parent()
        .and_then(Path::parent)
        .context("the test runs outside of a target directory")?
        .join(name);
    if !path.is_file() {
        bail!(
            "{} was not built; run scripts/test, or cargo build --workspace first",
            path.display()
        );
    }
    Ok(path)
}
