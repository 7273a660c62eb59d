//! The process of a server, its folder, and the shell that ends both.
//!
//! A shell holds the other end of a pipe of ours. When the pipe is closed, because the server is
//! dropped or this process is gone, the shell ends the server and removes the folder.

use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::programs;

/// Reads the id of the running process, one line each time it changes, until nobody is left to
/// write. A server that does not end within 10 s is killed.
const WATCH: &str = r#"
trap '' HUP INT QUIT TERM
running=
while read -r line; do running=$line; done
if [ -n "$running" ] && kill -QUIT "$running"; then
  looks=0
  while [ $looks -lt 110 ] && kill -0 "$running"; do
    looks=$((looks + 1))
    [ $looks -ne 100 ] || kill -KILL "$running"
    sleep 0.1
  done
fi
rm -rf -- "$1"
"#;

/// Recovery after a crash takes time in proportion to what was written since the last checkpoint.
const START_LIMIT: Duration = Duration::from_secs(120);
/// For a server that first ends its sessions and writes everything to disk.
const STOP_LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How far a server has started.
pub(crate) enum Progress {
    Starts,
    Ready,
}

/// How starting a server ended.
pub(crate) enum Started {
    Ready,
    /// Another program has the port.
    PortTaken,
}

#[derive(Debug)]
pub(crate) struct Server {
    folder: PathBuf,
    child: Option<Child>,
    shell: Child,
    /// Closed by dropping it.
    watched: Option<ChildStdin>,
}

impl Server {
    /// Creates the folder for a server that is not running yet.
    pub(crate) fn new() -> anyhow::Result<Self> {
        // From here on, the shell removes it.
        let folder = tempfile::Builder::new()
            .prefix("scratch-postgres-")
            .tempdir()?
            .keep();
        if programs::is_root() {
            chown(&folder, Some(programs::NOBODY), Some(programs::NOBODY))?;
        }
        let mut shell = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(&folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            folder,
            child: None,
            watched: shell.stdin.take(),
            shell,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file in its folder that nobody else may read.
    pub(crate) fn write_private(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        if programs::is_root() {
            chown(&path, Some(programs::NOBODY), Some(programs::NOBODY))?;
        }
        Ok(())
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its process id, while it runs.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<()> {
        let output = programs::command(program, &self.folder)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} can't be started", program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}", program.display(), said.trim());
        }
        Ok(())
    }

    /// Starts it, and waits until `progress` reports that it answers.
    pub(crate) fn start(
        &mut self,
        program: &Path,
        arguments: &[String],
        progress: impl Fn(&Self) -> Progress,
    ) -> anyhow::Result<Started> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())?;
        let said_before = self.log().len();
        let child = programs::command(program, &self.folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?;
        self.child = Some(child);
        self.tell_watch()?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Progress::Ready = progress(self) {
                return Ok(Started::Ready);
            }
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?;
            if let Some(Some(status)) = ended {
                self.child = None;
                self.tell_watch()?;
                let log = self.log();
                let said = log.get(said_before..).unwrap_or_default();
                if said.contains("Address already in use") {
                    return Ok(Started::PortTaken);
                }
                bail!("{} ended, {status}:\n{said}", program.display());
            }
            if Instant::now() >= deadline {
                let limit = START_LIMIT.as_secs();
                bail!("it did not answer within {limit} s:\n{}", self.log());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Sends it a signal that ends it, and waits until it has ended; does nothing if it is not
    /// running.
    pub(crate) fn stop(&mut self, signal: Signal) -> anyhow::Result<()> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        kill_process(Pid::from_child(child), signal)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                let limit = STOP_LIMIT.as_secs();
                bail!("it did not stop within {limit} s:\n{}", self.log());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.child = None;
        self.tell_watch()
    }

    fn tell_watch(&mut self) -> anyhow::Result<()> {
        let process = self.process().map_or(String::new(), |id| id.to_string());
        let watched = self.watched.as_mut().context("it was dropped")?;
        Ok(writeln!(watched, "{process}")?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watched.take());
        // The shell ends it, and waits for that before it removes the folder.
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
        let _ = self.shell.wait();
    }
}
