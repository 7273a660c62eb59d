//! A second server that follows a first one.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::{
    cluster::{Cluster, USER},
    programs,
    server::Server,
    sql::query,
};

/// The name by which a server that waits for its replica knows it.
const NAME: &str = "scratch_replica";
/// A standby answers at once; this is for a machine that is busy.
const FOLLOW_LIMIT: Duration = Duration::from_secs(60);
/// What a server keeps of its log for a replica that is behind. By default that is nothing: a checkpoint
/// while the replica connects again, as after a crash, and it never catches up.
const LOG_KEPT: &str = "1GB";
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whether a commit waits for the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// What was acknowledged is on both servers.
    Synchronous,
    /// The replica may lack what was acknowledged last.
    Asynchronous,
}

/// A server that follows another; it ends with this value.
#[derive(Debug)]
pub struct Replica {
    cluster: Cluster,
}

impl Cluster {
    /// Starts a server that follows this one, and waits until it does.
    ///
    /// # Errors
    /// When this one does not run, or with what the new server's programs say.
    pub fn replica(&self, replication: Replication) -> anyhow::Result<Replica> {
        self.query(&format!("alter system set wal_keep_size = '{LOG_KEPT}'"))?;
        self.query("select pg_reload_conf()")?;
        let server = Server::new()?;
        let primary = format!(
            "host=127.0.0.1 port={} user={USER} application_name={NAME}",
            self.port
        );
        server.run(
            &programs::postgres("pg_basebackup")?,
            &[
                "--pgdata=data",
                "--dbname",
                &primary,
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
            ],
        )?;
        let cluster = Self::on_free_port(server, self.settings.clone())?;
        if replication == Replication::Synchronous {
            let names = format!("alter system set synchronous_standby_names = '{NAME}'");
            self.query(&names)?;
            self.query("select pg_reload_conf()")?;
        }
        let wanted = match replication {
            Replication::Synchronous => "sync",
            Replication::Asynchronous => "async",
        };
        let state = "select sync_state from pg_stat_replication where state = 'streaming'";
        wait_until(&self.url(), state, wanted)?;
        Ok(Replica { cluster })
    }
}

impl Replica {
    /// The server itself, from which one can read.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes it a server of its own, that can be written to. It keeps its port. Whoever writes to
    /// the old one has to be kept from that first.
    ///
    /// # Errors
    /// When it does not run, or is not promoted in time.
    pub fn promote(self) -> anyhow::Result<Cluster> {
        // With the data came that each commit waits for a replica.
        self.cluster
            .query("select pg_promote(wait => true, wait_seconds => 60)")?;
        wait_until(&self.cluster.url(), "select pg_is_in_recovery()", "f")?;
        self.cluster
            .query("alter system reset synchronous_standby_names")?;
        self.cluster.query("select pg_reload_conf()")?;
        Ok(self.cluster)
    }
}

fn wait_until(url: &str, statement: &str, wanted: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + FOLLOW_LIMIT;
    loop {
        let found = query(url, statement)?;
        if found == wanted {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let limit = FOLLOW_LIMIT.as_secs();
            bail!("{statement}: is {found:?} and not {wanted:?} within {limit} s");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
