//! PgBouncer in front of a server.

use scratch_postgres::{Cluster, Pooler, Settings, query};

#[test]
fn a_pooler_answers_for_every_database_of_its_server() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let database = cluster.database().unwrap();
    let pooler = Pooler::start(database.url()).unwrap();
    assert_ne!(pooler.url(), database.url());
    let name = query(pooler.url(), "select current_database()").unwrap();
    assert!(database.url().ends_with(&name));
    assert!(pooler.url().ends_with(&name));
    // Its own database, which no server has.
    let own = pooler.url().replace(&name, "pgbouncer");
    assert!(query(&own, "show version").unwrap().contains("PgBouncer"));
    assert!(
        query(&own, "show config")
            .unwrap()
            .contains("pool_mode|transaction")
    );
}
