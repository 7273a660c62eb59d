//! Databases that many tests make in one server.

use scratch_postgres::{Cluster, Database, Settings, query};

#[test]
fn each_is_empty_and_is_dropped_whoever_is_connected() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let [one, other] = [(); 2].map(|()| cluster.database().unwrap());
    one.query("create table mine ()").unwrap();
    other.query("select * from mine").unwrap_err();
    let url = one.url().to_owned();
    let sleeper = std::thread::spawn(move || query(&url, "select pg_sleep(600)"));
    let sleeping = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";
    while cluster.query(sleeping).unwrap() != "1" {
        std::thread::yield_now();
    }
    drop(one);
    sleeper.join().unwrap().unwrap_err();
    let left =
        cluster.query("select count(*) from pg_database where datname like 't!_%' escape '!'");
    assert_eq!(left.unwrap(), "1");
}

#[test]
fn many_are_made_at_once() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| cluster.database().unwrap().query("select 1").unwrap());
        }
    });
}

#[test]
fn one_that_is_asked_for_is_there() {
    let database = Database::create().unwrap();
    let name = database.query("select current_database()").unwrap();
    assert!(database.url().ends_with(&format!("/{name}")));
    assert!(name.starts_with("t_"));
}
