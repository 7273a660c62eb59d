//! A run: nodes are started, faults are drawn and made, and at the end everything must be
//! delivered.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use scratch_postgres::Replication;
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use webhooks_core::{NewEndpoint, Webhooks};

use super::{
    database::Database,
    fault::{self, Fault, Fence},
    ledger::{Ledger, ORDERED},
    line::Line,
    process::{Event, Process, Start},
    proxy::{Flow, Proxy},
    receiver,
    report::Report,
    traffic::{APP_TABLE, CUSTOMERS},
};

/// What a process begins this soon after it continues was decided before it was stopped.
pub(super) const GO_ON_SLACK: Duration = Duration::from_millis(200);
/// The wait between two checks of a condition.
pub(super) const LOOK_WAIT: Duration = Duration::from_millis(100);

/// At least this many events are acknowledged for each fault, on average: where processes take
/// seconds to start, faults would otherwise come before anything is sent.
const EVENTS_A_FAULT: u32 = 8;
/// They must come within this time, in which a fault of the longest kind ends and processes start
/// on a busy machine.
const EVENTS_LIMIT: Duration = Duration::from_secs(120);

/// The settings of a run.
#[derive(Debug)]
pub struct Settings {
    /// The program, whose role `node` is run.
    pub program: PathBuf,
    /// The number of nodes that share the database.
    pub nodes: usize,
    /// The number of faults to make.
    pub faults: u32,
    /// The kinds of faults.
    pub kinds: Vec<Fault>,
    /// How a replica follows the database, if one does.
    pub replication: Option<Replication>,
    /// Whether nodes continue after they were declared dead, so that promises must break.
    pub fence: Fence,
    /// The seed from which the faults are drawn.
    pub seed: u64,
}

/// Makes the faults, and reports the result.
///
/// # Errors
/// When a process or a server does something unexpected, such as end by itself.
pub async fn run(settings: Settings) -> anyhow::Result<Report> {
    let mut run = Run::start(settings).await?;
    let ended = run.play().await;
    let is_dull = matches!(&ended, Ok(report) if report.is_clean() && report.errors.is_empty());
    if is_dull {
        return ended;
    }
    let kept = run.keep_logs()?;
    let kept = format!("the logs of the run are in {}", kept.display());
    match ended {
        Ok(mut report) => {
            report.kept = Some(kept);
            Ok(report)
        }
        Err(error) => Err(error.context(kept)),
    }
}

pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) random: StdRng,
    pub(super) ledger: Arc<Ledger>,
    pub(super) database: Database,
    pub(super) nodes: Vec<Node>,
    /// The number of processes started so far.
    lives: u32,
    said: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    /// What ends the faults that last, and when.
    pub(super) heals: Vec<(Instant, Heal)>,
    pub(super) made: BTreeMap<String, u32>,
    /// When true, new processes are no longer killed at a named place.
    pub(super) is_ending: bool,
    pub(super) began: Instant,
    story: String,
    folder: TempDir,
}

pub(super) struct Node {
    pub(super) proxy: Proxy,
    pub(super) process: Process,
    pub(super) is_quiet: bool,
    /// It was told to stop.
    pub(super) is_stopping: bool,
}

/// What ends a fault that lasts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heal {
    /// The process of that life, in that place, continues.
    GoOn(usize, u32),
    /// The process of that life, in that place, is killed.
    Kill(usize, u32),
    /// From now on, nothing that the process of that life begins is related to the fault.
    Over(u32),
    /// The network in that place works again.
    Mend(usize),
}

impl Run {
    async fn start(settings: Settings) -> anyhow::Result<Self> {
        let ledger = Arc::<Ledger>::default();
        let database = Database::start(settings.replication).await?;
        let receiver = receiver::start(Arc::clone(&ledger)).await?;
        database.execute(APP_TABLE).await?;
        add_endpoints(&database, &receiver).await?;
        let (said, events) = mpsc::unbounded_channel();
        let random = StdRng::seed_from_u64(settings.seed);
        let mut run = Self {
            random,
            ledger,
            nodes: Vec::new(),
            lives: 0,
            said,
            events,
            heals: Vec::new(),
            made: BTreeMap::new(),
            is_ending: false,
            began: Instant::now(),
            story: String::new(),
            folder: tempfile::tempdir()?,
            database,
            settings,
        };
        for at in 0..run.settings.nodes {
            let proxy = Proxy::start(run.database.port()).await?;
            let process = run.process(at, &proxy)?;
            run.nodes.push(Node {
                proxy,
                process,
                is_quiet: false,
                is_stopping: false,
            });
        }
        Ok(run)
    }

    /// Starts a process in a place.
    pub(super) fn process(&mut self, at: usize, proxy: &Proxy) -> anyhow::Result<Process> {
        self.lives += 1;
        // Drawn in any case, so that later draws do not depend on whether it is used.
        let drawn = fault::draw_place(&mut self.random);
        let kills = self.settings.kinds.contains(&Fault::Kill) && !self.is_ending;
        let place = drawn.filter(|_| kills);
        let life = self.lives;
        self.note(format_args!("node {at}: life {life} begins, {place:?}"));
        let start = Start {
            program: &self.settings.program,
            database: &Database::url(proxy.port()),
            life,
            place,
            fence: self.settings.fence,
            log: &self.folder.path().join(format!("node-{at}")),
        };
        Process::start(start, Arc::clone(&self.ledger), self.said.clone())
    }

    pub(super) fn note(&mut self, what: std::fmt::Arguments<'_>) {
        let at = self.began.elapsed().as_secs_f64();
        writeln!(self.story, "{at:9.3} {what}").expect("a text can be written to");
        tracing::info!("{what}");
    }

    fn keep_logs(&mut self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().to_owned();
        self.folder.disable_cleanup(true);
        std::fs::write(folder.join("faults"), &self.story)?;
        std::fs::write(folder.join("postgres"), self.database.log())?;
        Ok(folder)
    }

    async fn play(&mut self) -> anyhow::Result<Report> {
        while self.faults_made() < self.settings.faults {
            let at = Instant::now() + fault::draw_wait(&mut self.random);
            let fault = Fault::draw(&self.settings.kinds, &mut self.random);
            let place = self.random.random_range(0..self.nodes.len());
            self.wait_until(at).await?;
            while self.settings.fence == Fence::Removed && !self.heals.is_empty() {
                // Nodes are declared dead by those that live, and should notice it one by one.
                self.wait_until(Instant::now() + LOOK_WAIT).await?;
            }
            self.wait_for_events().await?;
            self.make(fault, place).await?;
        }
        let began = Instant::now();
        let left = self.drain().await?;
        let drained_in = left.is_nothing().then(|| began.elapsed());
        let orders = self.database.orders().await?;
        let events = self.database.events().await?;
        let balance = self.ledger.balance(&orders, &events);
        for (name, marks) in balance.broken() {
            for mark in marks {
                let known = self.ledger.describe(*mark, self.began);
                self.note(format_args!("{name}: {known}"));
                if let Some(overtaker) = balance.overtakers.get(mark) {
                    let known = self.ledger.describe(*overtaker, self.began);
                    self.note(format_args!("  overtaken by {known}"));
                }
            }
        }
        Ok(Report {
            faults: std::mem::take(&mut self.made),
            drained_in,
            balance,
            left,
            errors: self.database.errors(),
            kept: None,
        })
    }

    /// Waits until enough events were acknowledged for one more fault.
    async fn wait_for_events(&mut self) -> anyhow::Result<()> {
        let limit = Instant::now() + EVENTS_LIMIT;
        let enough = |run: &Self| run.ledger.acknowledged() / EVENTS_A_FAULT > run.faults_made();
        while !enough(self) {
            if Instant::now() > limit {
                let acknowledged = self.ledger.acknowledged();
                bail!("after {EVENTS_LIMIT:?} only {acknowledged} events were acknowledged");
            }
            self.wait_until(Instant::now() + LOOK_WAIT).await?;
        }
        Ok(())
    }

    /// Waits; meanwhile faults that last are ended, and processes that reach named places are
    /// killed.
    pub(super) async fn wait_until(&mut self, at: Instant) -> anyhow::Result<()> {
        loop {
            let first = self.heals.iter().map(|(at, _)| *at).min();
            let until = first.map_or(at, |first| first.min(at));
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    let event = event.context("no process reports anything")?;
                    self.happened(event).await?;
                }
                () = sleep_until(until) => {
                    if until == at && first.is_none_or(|first| first > at) {
                        return Ok(());
                    }
                    self.heal(until).await?;
                }
            }
        }
    }

    async fn happened(&mut self, event: Event) -> anyhow::Result<()> {
        let of_life = |node: &Node| node.process.life() == event.life;
        let Some(at) = self.nodes.iter().position(of_life) else {
            // It was killed in the meantime.
            return Ok(());
        };
        match event.line {
            Some(Line::Reached(place)) => self.kill(at, &format!("kill {place}")).await?,
            Some(Line::Quiet) => self.nodes[at].is_quiet = true,
            Some(_) => {}
            None if self.nodes[at].is_stopping => self.nodes.remove(at).process.ended().await?,
            None => bail!("node {at} ended by itself"),
        }
        Ok(())
    }

    /// Ends the faults that are due to end by then.
    async fn heal(&mut self, by: Instant) -> anyhow::Result<()> {
        let (due, later): (Vec<_>, Vec<_>) = self.heals.drain(..).partition(|(at, _)| *at <= by);
        self.heals = later;
        for (_, heal) in due {
            match heal {
                Heal::GoOn(at, life) => {
                    let process = &mut self.nodes[at].process;
                    if process.life() == life && process.is_stopped() {
                        process.go_on()?;
                        self.note(format_args!("node {at} continues"));
                        let over = Instant::now() + GO_ON_SLACK;
                        self.heals.push((over, Heal::Over(life)));
                    }
                }
                Heal::Kill(at, life) => {
                    if self.nodes[at].process.life() == life {
                        self.kill(at, "kill after stop").await?;
                    }
                }
                Heal::Over(life) => self.ledger.fault_ended(life),
                Heal::Mend(at) => {
                    self.nodes[at].proxy.set(Flow::Open);
                    self.note(format_args!("node {at} has its network back"));
                }
            }
        }
        Ok(())
    }

    fn faults_made(&self) -> u32 {
        self.made.values().sum()
    }

    pub(super) fn count(&mut self, name: &str) {
        *self.made.entry(name.to_owned()).or_default() += 1;
        let number = self.faults_made();
        self.note(format_args!("fault {number}: {name}"));
    }
}

/// Adds one endpoint for each customer.
async fn add_endpoints(database: &Database, receiver: &str) -> anyhow::Result<()> {
    let webhooks = Webhooks::builder()
        .allow_networks(["127.0.0.0/8"])?
        .open(&database.own_url())
        .await?;
    for customer in CUSTOMERS {
        let endpoint = NewEndpoint::new(format!("{receiver}/{customer}"));
        let endpoint = endpoint.ordered(customer == ORDERED);
        webhooks.endpoints(customer).add(endpoint).await?;
    }
    webhooks.shutdown(Duration::ZERO).await;
    Ok(())
}
