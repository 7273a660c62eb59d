//! A run: nodes are started, faults are drawn and made, and at the end all must be delivered.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use webhooks_core::{NewEndpoint, Webhooks};

use super::{
    database::{Database, Left},
    fault::{self, Fault},
    ledger::{Ledger, ORDERED},
    line::Line,
    node,
    process::{Event, Process, Start},
    proxy::{AtCommit, Flow, Proxy},
    receiver,
    report::Report,
    traffic::{APP_TABLE, CUSTOMERS},
};

/// How long it may take until a commit comes by.
const COMMIT_LIMIT: Duration = Duration::from_secs(2);
/// What a process begins so soon after it was stopped was decided before.
const GO_ON_SLACK: Duration = Duration::from_millis(200);
/// For so long a connection that is silent can be the reason of a duplicate.
const SILENCE_SPAN: Duration = Duration::from_secs(30);
/// Within this time all callers must have their answers after the last fault.
const QUIET_LIMIT: Duration = Duration::from_secs(120);
/// Within this time all must be delivered after that: leases end meanwhile.
const DRAIN_LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at what is left.
const LOOK_WAIT: Duration = Duration::from_millis(100);
/// What is delivered twice may come later than all else.
const LATE_WAIT: Duration = Duration::from_secs(1);

/// What a run is about.
#[derive(Debug)]
pub struct Settings {
    /// The program whose `node` is run.
    pub program: PathBuf,
    /// How many nodes work on the database.
    pub nodes: usize,
    /// How many faults are made.
    pub faults: u32,
    /// Of which kinds.
    pub kinds: Vec<Fault>,
    /// Whether a synchronous replica follows the database.
    pub has_replica: bool,
    /// Draws the faults.
    pub seed: u64,
}

/// Makes the faults, and says what came of it.
///
/// # Errors
/// When a process or a server does what it should not, such as end by itself.
pub async fn run(settings: Settings) -> anyhow::Result<Report> {
    let mut run = Run::start(settings).await?;
    let ended = run.play().await;
    let is_dull = matches!(&ended, Ok(report) if report.is_clean() && report.errors.is_empty());
    if is_dull {
        return ended;
    }
    let kept = run.keep_logs()?;
    let kept = format!("what happened is in {}", kept.display());
    match ended {
        Ok(mut report) => {
            report.kept = Some(kept);
            Ok(report)
        }
        Err(error) => Err(error.context(kept)),
    }
}

struct Run {
    settings: Settings,
    random: StdRng,
    ledger: Arc<Ledger>,
    database: Database,
    nodes: Vec<Node>,
    /// How many processes were started.
    lives: u32,
    said: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    /// What ends the faults that last.
    heals: Vec<(Instant, Heal)>,
    made: BTreeMap<String, u32>,
    /// Whether processes that are started are killed at a named place.
    is_ending: bool,
    began: Instant,
    story: String,
    folder: TempDir,
}

struct Node {
    proxy: Proxy,
    process: Process,
    is_quiet: bool,
}

/// What ends a fault that lasts.
#[derive(Debug, Clone, Copy)]
enum Heal {
    /// The process of that life goes on at that place.
    GoOn(usize, u32),
    /// Nothing that the process of that life begins has to do with the fault any more.
    Over(u32),
    /// The network of that place is well.
    Mend(usize),
}

impl Run {
    async fn start(settings: Settings) -> anyhow::Result<Self> {
        let ledger = Arc::<Ledger>::default();
        let database = Database::start(settings.has_replica).await?;
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
            });
        }
        Ok(run)
    }

    /// Starts a process at a place.
    fn process(&mut self, at: usize, proxy: &Proxy) -> anyhow::Result<Process> {
        self.lives += 1;
        // Drawn in any case: what comes after must not depend on whether it counts.
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
            log: &self.folder.path().join(format!("node-{at}")),
        };
        Process::start(start, Arc::clone(&self.ledger), self.said.clone())
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
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
        while self.made.values().sum::<u32>() < self.settings.faults {
            let at = Instant::now() + fault::draw_wait(&mut self.random);
            let fault = Fault::draw(&self.settings.kinds, &mut self.random);
            let place = self.random.random_range(0..self.nodes.len());
            self.wait_until(at).await?;
            self.make(fault, place).await?;
        }
        let began = Instant::now();
        let left = self.drain().await?;
        let drained_in = left.is_nothing().then(|| began.elapsed());
        let orders = self.database.orders().await?;
        let balance = self.ledger.balance(&orders);
        for (name, marks) in balance.broken() {
            for mark in marks {
                let known = self.ledger.describe(*mark, self.began);
                self.note(format_args!("{name}: {known}"));
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

    /// Until then faults end that lasted, and processes are killed at named places.
    async fn wait_until(&mut self, at: Instant) -> anyhow::Result<()> {
        loop {
            let first = self.heals.iter().map(|(at, _)| *at).min();
            let until = first.map_or(at, |first| first.min(at));
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    let event = event.context("nobody says anything")?;
                    self.happened(event).await?;
                }
                () = sleep_until(until) => {
                    if until == at && first.is_none_or(|first| first > at) {
                        return Ok(());
                    }
                    self.heal(until)?;
                }
            }
        }
    }

    async fn happened(&mut self, event: Event) -> anyhow::Result<()> {
        let of_life = |node: &Node| node.process.life() == event.life;
        let Some(at) = self.nodes.iter().position(of_life) else {
            // It was killed meanwhile.
            return Ok(());
        };
        match event.line {
            Some(Line::Reached(place)) => self.kill(at, &format!("kill {place}")).await?,
            Some(Line::Quiet) => self.nodes[at].is_quiet = true,
            Some(_) => {}
            None => bail!("node {at} ended by itself"),
        }
        Ok(())
    }

    /// Ends the faults that end by then.
    fn heal(&mut self, by: Instant) -> anyhow::Result<()> {
        let (due, later): (Vec<_>, Vec<_>) = self.heals.drain(..).partition(|(at, _)| *at <= by);
        self.heals = later;
        for (_, heal) in due {
            match heal {
                Heal::GoOn(at, life) => {
                    let process = &mut self.nodes[at].process;
                    if process.life() == life && process.is_stopped() {
                        process.go_on()?;
                        self.note(format_args!("node {at} goes on"));
                        let over = Instant::now() + GO_ON_SLACK;
                        self.heals.push((over, Heal::Over(life)));
                    }
                }
                Heal::Over(life) => self.ledger.fault_ended(life),
                Heal::Mend(at) => {
                    self.nodes[at].proxy.set(Flow::Open);
                    self.note(format_args!("node {at} has its network"));
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &str) {
        *self.made.entry(name.to_owned()).or_default() += 1;
        let number: u32 = self.made.values().sum();
        self.note(format_args!("fault {number}: {name}"));
    }

    async fn kill(&mut self, at: usize, name: &str) -> anyhow::Result<()> {
        self.count(name);
        let proxy = self.nodes[at].proxy.clone();
        let next = self.process(at, &proxy)?;
        let node = &mut self.nodes[at];
        node.is_quiet = false;
        let killed = std::mem::replace(&mut node.process, next);
        if self.is_ending {
            node.process.tell(node::QUIET).await?;
        }
        let life = killed.life();
        killed.kill().await?;
        let owed = self.database.owed().await?;
        let in_flight = self.ledger.killed(life, &owed);
        self.note(format_args!(
            "node {at}: life {life} was killed with {in_flight} in flight, {} owed",
            owed.len()
        ));
        Ok(())
    }

    async fn make(&mut self, fault: Fault, at: usize) -> anyhow::Result<()> {
        if fault == Fault::Kill {
            return self.kill(at, "kill").await;
        }
        self.count(&fault.to_string());
        match fault {
            Fault::Kill => {}
            Fault::Stop => self.stop(at).await?,
            Fault::Cut | Fault::Stall | Fault::CutAtCommit => self.disconnect(fault, at).await?,
            Fault::Silence => {
                let life = self.nodes[at].process.life();
                self.fault_begins(&[life]).await?;
                self.nodes[at].proxy.silence();
                self.heals
                    .push((Instant::now() + SILENCE_SPAN, Heal::Over(life)));
            }
            Fault::Restart | Fault::RestartAtCommit | Fault::Promote => {
                self.crash(fault, at).await?;
            }
        }
        Ok(())
    }

    /// Something begins that these processes survive.
    async fn fault_begins(&self, lives: &[u32]) -> anyhow::Result<()> {
        for life in lives {
            self.ledger.fault_begins(*life);
        }
        let owed = self.database.owed().await?;
        for life in lives {
            self.ledger.in_flight(*life, &owed);
        }
        Ok(())
    }

    async fn stop(&mut self, at: usize) -> anyhow::Result<()> {
        let span = fault::draw_stop(&mut self.random);
        let process = &mut self.nodes[at].process;
        if process.is_stopped() {
            return Ok(());
        }
        let life = process.life();
        process.stop()?;
        // What it said before is read meanwhile.
        tokio::time::sleep(LOOK_WAIT).await;
        self.fault_begins(&[life]).await?;
        self.note(format_args!("node {at}: stopped for {span:?}"));
        self.heals
            .push((Instant::now() + span, Heal::GoOn(at, life)));
        Ok(())
    }

    async fn disconnect(&mut self, fault: Fault, at: usize) -> anyhow::Result<()> {
        let span = fault::draw_outage(&mut self.random);
        let is_sent = self.random.random::<bool>();
        let life = self.nodes[at].process.life();
        self.fault_begins(&[life]).await?;
        let node = &self.nodes[at];
        match fault {
            Fault::Stall => node.proxy.set(Flow::Stalled),
            Fault::CutAtCommit => {
                node.proxy.at_commit(if is_sent {
                    AtCommit::CutAfter
                } else {
                    AtCommit::CutBefore
                });
                let came = timeout(COMMIT_LIMIT, node.proxy.commit()).await;
                if came.is_err() {
                    node.proxy.at_commit(AtCommit::Pass);
                }
                node.proxy.set(Flow::Closed);
            }
            _ => node.proxy.set(Flow::Closed),
        }
        self.note(format_args!("node {at}: {fault} for {span:?}"));
        let mended = Instant::now() + span;
        self.heals.push((mended, Heal::Mend(at)));
        self.heals.push((mended + GO_ON_SLACK, Heal::Over(life)));
        Ok(())
    }

    /// Something happens to the database, and so to all.
    async fn crash(&mut self, fault: Fault, at: usize) -> anyhow::Result<()> {
        let lives: Vec<u32> = self.nodes.iter().map(|node| node.process.life()).collect();
        self.fault_begins(&lives).await?;
        let began = Instant::now();
        match fault {
            Fault::Promote => self.database.promote().await?,
            Fault::RestartAtCommit => {
                let proxy = &self.nodes[at].proxy;
                proxy.at_commit(AtCommit::Tell);
                if timeout(COMMIT_LIMIT, proxy.commit()).await.is_err() {
                    proxy.at_commit(AtCommit::Pass);
                }
                self.database.restart().await?;
            }
            _ => self.database.restart().await?,
        }
        self.note(format_args!("{fault}: it took {:?}", began.elapsed()));
        let over = Instant::now() + GO_ON_SLACK;
        for life in lives {
            self.heals.push((over, Heal::Over(life)));
        }
        Ok(())
    }

    /// Ends what lasts, has nothing more sent, and waits until all is delivered. Returns what is left.
    async fn drain(&mut self) -> anyhow::Result<Left> {
        self.is_ending = true;
        for (at, _) in &mut self.heals {
            *at = Instant::now();
        }
        for node in &mut self.nodes {
            node.process.tell(node::QUIET).await?;
        }
        self.note(format_args!("the last fault was made"));
        let limit = Instant::now() + QUIET_LIMIT;
        while !self.nodes.iter().all(|node| node.is_quiet) {
            if Instant::now() > limit {
                bail!("a caller got no answer within {QUIET_LIMIT:?} after the last fault");
            }
            self.wait_until(Instant::now() + LOOK_WAIT).await?;
        }
        self.note(format_args!("nothing more is sent"));
        let limit = Instant::now() + DRAIN_LIMIT;
        let mut left = self.database.left().await?;
        while !left.is_nothing() && Instant::now() < limit {
            self.wait_until(Instant::now() + LOOK_WAIT).await?;
            left = self.database.left().await?;
        }
        self.wait_until(Instant::now() + LATE_WAIT).await?;
        if !left.is_nothing() {
            let mut owed: Vec<_> = self.database.owed().await?.into_iter().collect();
            owed.sort_unstable();
            for mark in owed {
                let left = self.ledger.describe(mark, self.began);
                self.note(format_args!("left: {left}"));
            }
            return Ok(left);
        }
        for node in &mut self.nodes {
            node.process.tell(node::STOP).await?;
        }
        for node in self.nodes.drain(..) {
            node.process.ended().await?;
        }
        self.database.left().await
    }
}

/// Each customer has one endpoint.
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
