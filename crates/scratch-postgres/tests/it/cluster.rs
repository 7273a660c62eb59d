//! A server of one's own.

use std::path::Path;

use scratch_postgres::{Cluster, Settings, Stop};

#[test]
fn a_server_starts_with_what_was_set_and_leaves_nothing() {
    let cluster = Cluster::start(Settings::quick().set("max_connections", "17")).unwrap();
    let shown = |name: &str| cluster.query(&format!("show {name}")).unwrap();
    assert_eq!(shown("max_connections"), "17");
    assert_eq!(shown("fsync"), "off");
    let log = cluster.log_path();
    assert!(cluster.log().contains("ready to accept connections"));
    let address = ("127.0.0.1", cluster.port());
    drop(cluster);
    assert!(!Path::new(&log).parent().unwrap().exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn what_was_committed_is_there_after_a_restart_as_by_a_crash() {
    let cluster = Cluster::start(Settings::durable()).unwrap();
    assert_eq!(cluster.query("show fsync").unwrap(), "on");
    cluster.query("create table kept (number int4)").unwrap();
    for (number, how) in [(1, Stop::Immediate), (2, Stop::Fast)] {
        let insert = format!("insert into kept values ({number})");
        cluster.query(&insert).unwrap();
        let before = (cluster.url(), cluster.process());
        cluster.restart(how).unwrap();
        assert_eq!(cluster.url(), before.0);
        assert_ne!(cluster.process(), before.1);
    }
    let kept = cluster.query("select number from kept order by number");
    assert_eq!(kept.unwrap(), "1\n2");
    let recovered = "database system was not properly shut down";
    assert_eq!(cluster.log().matches(recovered).count(), 1);
}

#[test]
fn a_server_that_is_stopped_answers_when_it_is_started_again() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    cluster.stop(Stop::Fast).unwrap();
    cluster.stop(Stop::Fast).unwrap();
    assert_eq!(cluster.process(), None);
    cluster.query("select 1").unwrap_err();
    cluster.start_again().unwrap();
    assert_eq!(cluster.query("select 1").unwrap(), "1");
    let refused = cluster.start_again().unwrap_err();
    assert_eq!(refused.to_string(), "the server is already running");
}

#[test]
fn a_setting_that_the_server_refuses_is_named() {
    let settings = Settings::quick().set("no_such_thing", "1");
    let refused = Cluster::start(settings).unwrap_err().to_string();
    assert!(refused.contains("no_such_thing"), "{refused}");
}
