//! Makes a fault, and records what was in flight at the time.

use std::time::Duration;

use rand::RngExt;
use scratch_postgres::Replication;
use tokio::time::{Instant, timeout};

use super::{
    fault::{self, Fault},
    node,
    proxy::{AtCommit, Flow},
    run::{GO_ON_SLACK, Heal, LOOK_WAIT, Run},
};

/// How long to wait for a commit to pass.
const COMMIT_LIMIT: Duration = Duration::from_secs(2);
/// How long a silent connection can be the cause of a duplicate.
const SILENCE_SPAN: Duration = Duration::from_secs(30);

impl Run {
    pub(super) async fn kill(&mut self, at: usize, name: &str) -> anyhow::Result<()> {
        self.count(name);
        let proxy = self.nodes[at].proxy.clone();
        let next = self.process(at, &proxy)?;
        let node = &mut self.nodes[at];
        node.is_quiet = false;
        node.is_stopping = false;
        let killed = std::mem::replace(&mut node.process, next);
        if self.is_ending {
            node.process.tell(node::QUIET).await?;
        }
        let (life, process) = (killed.life(), killed.id());
        killed.kill().await?;
        self.ledger.fault_begins(life);
        if let Some(process) = process {
            self.ledger.held(self.database.held_by(process).await?);
        }
        let owed = self.database.owed().await?;
        let in_flight = self.ledger.killed(life, &owed);
        self.note(format_args!(
            "node {at}: life {life} was killed with {in_flight} in flight, {} pending",
            owed.len()
        ));
        Ok(())
    }

    pub(super) async fn make(&mut self, fault: Fault, at: usize) -> anyhow::Result<()> {
        if fault == Fault::Kill {
            return self.kill(at, "kill").await;
        }
        self.count(&fault.to_string());
        match fault {
            Fault::Kill => {}
            Fault::Stop => {
                let span = fault::draw_stop(&mut self.random);
                self.stop(at, span).await?;
            }
            Fault::KillAfterStop => {
                let (span, soon) = fault::draw_death(&mut self.random);
                let life = self.nodes[at].process.life();
                if self.stop(at, span).await? {
                    let killed = Instant::now() + span + soon;
                    self.heals.push((killed, Heal::Kill(at, life)));
                }
            }
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

    /// Records the beginning of a fault that these processes survive.
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

    /// Stops a node by SIGSTOP; false when it is already stopped.
    async fn stop(&mut self, at: usize, span: Duration) -> anyhow::Result<bool> {
        let process = &mut self.nodes[at].process;
        if process.is_stopped() {
            return Ok(false);
        }
        let life = process.life();
        process.stop()?;
        // Meanwhile, what it printed before is read.
        tokio::time::sleep(LOOK_WAIT).await;
        self.fault_begins(&[life]).await?;
        self.note(format_args!("node {at}: stopped for {span:?}"));
        self.heals
            .push((Instant::now() + span, Heal::GoOn(at, life)));
        Ok(true)
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

    /// Makes a fault of the database, which affects all nodes.
    async fn crash(&mut self, fault: Fault, at: usize) -> anyhow::Result<()> {
        if fault == Fault::Promote && self.settings.replication == Some(Replication::Asynchronous) {
            let span = fault::draw_lag(&mut self.random);
            self.database.leave_replica_behind().await?;
            self.wait_until(Instant::now() + span).await?;
        }
        let lives: Vec<u32> = self.nodes.iter().map(|node| node.process.life()).collect();
        self.fault_begins(&lives).await?;
        let began = Instant::now();
        match fault {
            Fault::Promote => {
                if let Some(over) = self.database.promote().await? {
                    self.ledger.taken_over(over.at, &over.events, &over.owed);
                }
            }
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
}
