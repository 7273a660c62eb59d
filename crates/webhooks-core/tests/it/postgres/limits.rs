//! Limits of an endpoint, held over nodes that come and go.

use std::{collections::VecDeque, time::Duration};

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, Webhooks};

use super::{meter::Meter, open, until};

/// How many nodes there are.
const NODES: usize = 3;
/// How often one ends and another begins,
const CHANGES: usize = 6;
/// and how far apart.
const CHANGE_WAIT: Duration = Duration::from_millis(1_300);
const GRACE: Duration = Duration::from_secs(5);

/// Nodes of which the oldest ends in order again and again, when another has begun.
async fn come_and_go(database: &Database, mut nodes: VecDeque<Webhooks>) -> VecDeque<Webhooks> {
    for _ in 0..CHANGES {
        tokio::time::sleep(CHANGE_WAIT).await;
        nodes.push_back(open(database).await);
        let oldest = nodes.pop_front().unwrap();
        let report = oldest.shutdown(GRACE).await;
        assert_eq!(report.cut_off, 0, "{report:?}");
    }
    nodes
}

async fn start(database: &Database) -> VecDeque<Webhooks> {
    let mut nodes = VecDeque::new();
    for _ in 0..NODES {
        nodes.push_back(open(database).await);
    }
    nodes
}

async fn send_to_each(nodes: &VecDeque<Webhooks>, events: usize) {
    for node in nodes {
        let events = (0..events).map(|n| Event::new("a", &n));
        node.send_all("acme", events).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_exact_over_nodes_that_come_and_go() {
    const LIMIT: u32 = 100;
    let database = Database::create().unwrap();
    let nodes = start(&database).await;
    let (meter, url) = Meter::start(Duration::ZERO).await;
    let endpoint = NewEndpoint::new(url)
        .per_second(LIMIT.try_into().unwrap())
        .in_flight(20);
    nodes[0].endpoints("acme").add(endpoint).await.unwrap();
    // More than can go out meanwhile.
    send_to_each(&nodes, 1_000).await;
    let nodes = come_and_go(&database, nodes).await;
    let arrived = meter.arrived();
    assert!(nodes[0].pending().await.unwrap() > 0, "it ran dry");
    let span = arrived[arrived.len() - 1] - arrived[0];
    let rate = (arrived.len() - 1) as f64 / span.as_secs_f64();
    assert!(rate <= f64::from(LIMIT) * 1.01, "{rate} a second");
    // Whoever takes over begins soon, also on a busy machine.
    assert!(rate >= f64::from(LIMIT) * 0.5, "{rate} a second");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_never_above_the_limit_while_owners_change() {
    let database = Database::create().unwrap();
    let nodes = start(&database).await;
    let (meter, url) = Meter::start(Duration::from_millis(20)).await;
    let endpoint = NewEndpoint::new(url).in_flight(3);
    nodes[0].endpoints("acme").add(endpoint).await.unwrap();
    send_to_each(&nodes, 300).await;
    let nodes = come_and_go(&database, nodes).await;
    assert_eq!(meter.most(), 3);
    until("all is delivered", async || {
        nodes[0].pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(meter.most(), 3);
}
