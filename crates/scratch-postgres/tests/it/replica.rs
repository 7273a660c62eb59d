//! A second server that follows, and takes over.

use scratch_postgres::{Cluster, Replication, Settings, Stop};

fn followed(replication: Replication) {
    let cluster = Cluster::start(Settings::quick().set("max_connections", "150")).unwrap();
    cluster.query("create table kept (number int4)").unwrap();
    let replica = cluster.replica(replication).unwrap();
    cluster.query("insert into kept values (1)").unwrap();
    let count = "select count(*) from kept";
    // Written there in any case, but shown only once it is applied.
    while replica.cluster().query(count).unwrap() != "1" {
        std::thread::yield_now();
    }
    let refused = replica.cluster().query("insert into kept values (2)");
    assert!(refused.unwrap_err().to_string().contains("read-only"));
    cluster.stop(Stop::Immediate).unwrap();
    let promoted = replica.promote().unwrap();
    promoted.query("insert into kept values (3)").unwrap();
    assert_eq!(promoted.query(count).unwrap(), "2");
    promoted.restart(Stop::Immediate).unwrap();
    assert_eq!(promoted.query(count).unwrap(), "2");
}

#[test]
fn a_synchronous_replica_follows_and_is_promoted() {
    followed(Replication::Synchronous);
}

#[test]
fn an_asynchronous_replica_follows_and_is_promoted() {
    followed(Replication::Asynchronous);
}

#[test]
fn a_commit_waits_for_a_synchronous_replica_alone() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    cluster.query("create table kept (number int4)").unwrap();
    {
        let replica = cluster.replica(Replication::Asynchronous).unwrap();
        replica.cluster().stop(Stop::Fast).unwrap();
        cluster.query("insert into kept values (1)").unwrap();
    }
    let replica = cluster.replica(Replication::Synchronous).unwrap();
    cluster.query("insert into kept values (2)").unwrap();
    replica.cluster().stop(Stop::Fast).unwrap();
    std::thread::scope(|scope| {
        let insert = scope.spawn(|| cluster.query("insert into kept values (3)"));
        let waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
        while cluster.query(waiting).unwrap() != "1" {
            std::thread::yield_now();
        }
        assert!(!insert.is_finished());
        replica.cluster().start_again().unwrap();
        insert.join().unwrap().unwrap();
    });
}
