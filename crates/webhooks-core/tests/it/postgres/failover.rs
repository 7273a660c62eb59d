//! A server that is gone, and its replica in its place.

use std::time::Duration;

use scratch_postgres::{Cluster, Replication, Settings, Stop};
use webhooks_core::{Event, Webhooks};

use super::{line::Line, until};

/// A transaction that stores an event waits for a moment with its commit.
pub(super) const HOLD_COMMITS: [&str; 2] = [
    "create function hooks.hold() returns trigger language plpgsql as $$
     begin perform pg_sleep(3); return null; end $$",
    "create constraint trigger hold after insert on hooks.event deferrable initially deferred
     for each row execute function hooks.hold()",
];

/// Commits that wait so, and those that wait for the replica.
pub(super) const WAITING: &str = "
    select count(*) filter (where wait_event = 'PgSleep'), count(*) filter (where wait_event = 'SyncRep')
    from pg_stat_activity a join pg_locks l using (pid)
    where l.relation = 'hooks.event'::regclass and l.mode = 'RowExclusiveLock'";

/// Others take the numbers that the old server had given to transactions which the replica never saw.
const TAKE_NUMBERS: &str = "
    do $$ begin
        for n in 1..500 loop perform pg_current_xact_id(); commit; end loop;
    end $$";

#[tokio::test]
async fn what_the_replica_that_took_over_never_saw_is_not_called_stored() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let replica = cluster.replica(Replication::Synchronous).unwrap();
    let line = Line::to(cluster.port()).await;
    let webhooks = Webhooks::open(&line.address()).await.unwrap();
    for statement in HOLD_COMMITS {
        cluster.query(statement).unwrap();
    }
    let sending = webhooks.clone();
    let sent = tokio::spawn(async move {
        let event = Event::new("a", &1).id("chosen");
        sending.send("acme", event).await
    });
    let waiting = async |counts| cluster.query(WAITING).unwrap() == counts;
    until("the commit waits", async || waiting("1|0").await).await;
    replica.cluster().stop(Stop::Fast).unwrap();
    until("it waits for the replica", async || waiting("0|1").await).await;
    cluster.stop(Stop::Immediate).unwrap();
    replica.cluster().start_again().unwrap();
    let promoted = replica.promote().unwrap();
    promoted.query(TAKE_NUMBERS).unwrap();
    line.leads_to(promoted.port());
    let sent = tokio::time::timeout(Duration::from_secs(60), sent).await;
    let sent = sent.unwrap().unwrap();
    let found = webhooks.event("acme", "chosen").await.unwrap();
    assert!(found.is_none(), "the replica had it");
    assert!(sent.is_err(), "{sent:?}");
}
