//! A second server that follows the first.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::{
    cluster::{Cluster, USER},
    programs,
    server::Server,
    sql::query,
};

/// The name by which a server that waits for its replica recognises it.
const NAME: &str = "scratch_replica";
/// A standby answers at once; this limit is for a busy machine.
const FOLLOW_LIMIT: Duration = Duration::from_secs(60);
/// How much of its log a server keeps for a replica that is behind. The default is nothing: after a
/// checkpoint while the replica reconnects, as after a crash, it would never catch up.
const LOG_KEPT: &str = "1GB";
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whether a commit waits for the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// Everything that was acknowledged is on both servers.
    Synchronous,
    /// The replica may lack what was acknowledged last.
    Asynchronous,
}

/// A server that follows another; dropping this value stops it.
#[derive(Debug)]
pub struct Replica {
    cluster: Cluster,
}

impl Cluster {
    /// Starts a server that follows this one, and waits until it does.
    ///
    /// # Errors
    /// When this server is not running; otherwise with what the new server's programs report.
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
    /// The server itself, which can be read from.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes it an independent server that accepts writes, on the same port. First, make sure that
    /// nobody can write to the old one.
    ///
    /// # Errors
    /// When it is not running, or is not promoted in time.
    pub fn promote(self) -> anyhow::Result<Cluster> {
        // Not waited for by the server: what it replays until then can cancel a query that stays open.
        self.cluster.query("select pg_promote(wait => false)")?;
        wait_until(&self.cluster.url(), "select pg_is_in_recovery()", "f")?;
        // The copied settings make each commit wait for a replica.
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
            bail!("{statement}: still {found:?} instead of {wanted:?} after {limit} s");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
