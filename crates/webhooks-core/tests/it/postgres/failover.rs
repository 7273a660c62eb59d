//! A server that is gone, and its replica in its place.

use std::time::Duration;

use scratch_postgres::{Cluster, Replication, Settings, Stop};
use webhooks_core::{Event, Webhooks};

use super::{line::Line, until};
use crate::world::{gate::Gate, log::Log};

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

/// What the log says of it.
const TAKEN_OVER: &str =
    "a replica took over the database: unless it was synchronous, what it had not received is lost";

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

#[tokio::test]
async fn a_delivery_whose_outcome_the_replica_lacked_when_it_took_over_is_made_again() {
    let log = Log::of_process();
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let replica = cluster.replica(Replication::Asynchronous).unwrap();
    let line = Line::to(cluster.port()).await;
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let webhooks = builder.open(&line.address()).await.unwrap();
    let (gate, url) = Gate::start().await;
    webhooks.endpoints("acme").add(url).await.unwrap();
    for id in ["had", "lacked"] {
        if id == "lacked" {
            let claims = "select count(*) from hooks.delivery where claim is not null";
            let has_it = async || replica.cluster().query(claims).unwrap() == "1";
            until("the replica has the first", has_it).await;
            replica.cluster().stop(Stop::Fast).unwrap();
        }
        webhooks
            .send("acme", Event::new("a", &1).id(id))
            .await
            .unwrap();
    }
    gate.wait_for(2).await;
    gate.open("had", 200);
    gate.open("lacked", 200);
    until("both are delivered", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    let before = webhooks.nodes().await.unwrap();
    let said_before = log.count_with(TAKEN_OVER);
    cluster.stop(Stop::Immediate).unwrap();
    replica.cluster().start_again().unwrap();
    let promoted = replica.promote().unwrap();
    line.leads_to(promoted.port());
    // It is owed there, and claimed by a node that lives and does not hold it.
    assert_eq!(
        promoted
            .query("select count(*) from hooks.delivery")
            .unwrap(),
        "1"
    );
    until("it is made again", async || gate.arrived().len() == 3).await;
    assert_eq!(gate.arrived().last().unwrap(), "had");
    until("nothing is owed", async || {
        webhooks.pending().await.is_ok_and(|pending| pending == 0)
    })
    .await;
    let lacked = webhooks.event("acme", "lacked").await.unwrap();
    assert!(lacked.is_none(), "the replica had it");
    let after = webhooks.nodes().await.unwrap();
    assert!(
        after.len() == 1 && after[0].id > before[0].id,
        "{before:?}, {after:?}"
    );
    assert!(
        log.count_with(TAKEN_OVER) > said_before,
        "whoever runs it learns that something may be lost"
    );
}
