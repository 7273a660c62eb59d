//! The process of a node: starts it, listens to it, sends it signals.

use std::{fs::File, path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinHandle,
};

use super::{fault::Fence, ledger::Ledger, line::Line};

/// How long a process may take to end once its output has ended.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Something that the process of a life did.
#[derive(Debug)]
pub struct Event {
    /// The life.
    pub life: u32,
    /// What it printed; `None` when its output ended.
    pub line: Option<Line>,
}

/// What a process is started with.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// The address of the Postgres database, as the engine takes it.
    pub database: &'a str,
    /// Its number among all processes.
    pub life: u32,
    /// The place at which it waits to be killed, and at which visit.
    pub place: Option<(&'static str, u32)>,
    /// Whether it notices that it was declared dead.
    pub fence: Fence,
    /// The file to which its log is appended.
    pub log: &'a Path,
}

/// The process of a node. Dropping this value kills it.
#[derive(Debug)]
pub struct Process {
    life: u32,
    child: Child,
    told: ChildStdin,
    listens: JoinHandle<()>,
    is_stopped: bool,
}

impl Process {
    /// Starts a process. What it reports about events goes to the ledger, the rest to `events`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        start: Start<'_>,
        ledger: Arc<Ledger>,
        events: mpsc::UnboundedSender<Event>,
    ) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(start.log)?;
        let life = start.life;
        let mut command = Command::new(start.program);
        command
            .args(["node", "--database", start.database])
            .args(["--life", &life.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        if let Some((place, visits)) = start.place {
            command.env("WEBHOOKS_CRASH_POINT", format!("{place}:{visits}"));
        }
        if start.fence == Fence::Removed {
            command.env("WEBHOOKS_CRASH_UNFENCED", "1");
        }
        let mut child = command.spawn()?;
        let told = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        let listens = tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match Line::parse(&line) {
                    Some(Line::Said(said)) => ledger.said(life, said),
                    Some(line) => drop(events.send(Event {
                        life,
                        line: Some(line),
                    })),
                    // A line that a kill cut off.
                    None => {}
                }
            }
            drop(events.send(Event { life, line: None }));
        });
        Ok(Self {
            life,
            child,
            told,
            listens,
            is_stopped: false,
        })
    }

    /// Its number among all processes.
    #[must_use]
    pub fn life(&self) -> u32 {
        self.life
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it is stopped by SIGSTOP.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Stops it by SIGSTOP.
    ///
    /// # Errors
    /// When it is gone.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        self.is_stopped = true;
        Ok(())
    }

    /// Lets it continue after [`Process::stop`].
    ///
    /// # Errors
    /// When it is gone.
    pub fn go_on(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)?;
        self.is_stopped = false;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().context("the process is gone")?;
        let id = Pid::from_raw(i32::try_from(id)?).context("no process")?;
        Ok(kill_process(id, signal)?)
    }

    /// Kills it, and reads what it printed before.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(self.listens.await?)
    }

    /// Sends it a command.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn tell(&mut self, what: &str) -> anyhow::Result<()> {
        let line = format!("{what}\n");
        Ok(self.told.write_all(line.as_bytes()).await?)
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When it does not end in time, or fails.
    pub async fn ended(mut self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(END_LIMIT, self.child.wait()).await;
        let status = ended.with_context(|| format!("it did not end within {END_LIMIT:?}"))??;
        if !status.success() {
            bail!("it ended with {status}");
        }
        Ok(self.listens.await?)
    }
}
