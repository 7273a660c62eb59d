//! Limits of an endpoint, held over nodes that come and go.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, SEND_ALL_MAX, Webhooks, testing::ManualClock};

use super::{PATIENCE, address, meter::Meter, open, until};
use crate::world::builder;

/// How many nodes there are.
const NODES: usize = 3;
/// How often the owner ends and another node begins,
const CHANGES: usize = 6;
/// and how far apart: more often than anybody does it,
const CHANGE_WAIT: Duration = Duration::from_millis(1_300);
/// and as a quick rolling deploy does.
const DEPLOY_WAIT: Duration = Duration::from_secs(10);
/// What beginning and ending takes besides, on a busy machine.
const BESIDES_MAX: Duration = Duration::from_secs(25);
const GRACE: Duration = Duration::from_secs(5);
/// Requests a second, where they are limited.
const LIMIT: u32 = 100;
const INTERVAL: Duration = Duration::from_millis(10);

/// Nodes of which the one that owns the lane ends in order again and again, when another has begun.
async fn come_and_go(
    database: &Database,
    mut nodes: VecDeque<Webhooks>,
    apart: Duration,
) -> VecDeque<Webhooks> {
    for _ in 0..CHANGES {
        tokio::time::sleep(apart).await;
        nodes.push_back(open(database).await);
        end_owner(&mut nodes).await;
    }
    nodes
}

/// Ends the node that owns the one lane.
async fn end_owner(nodes: &mut VecDeque<Webhooks>) {
    let owner = tokio::time::timeout(PATIENCE, async {
        loop {
            for (at, node) in nodes.iter().enumerate() {
                let all = node.nodes().await.unwrap();
                if all.iter().any(|node| node.is_this && node.lanes > 0) {
                    return at;
                }
            }
        }
    });
    let owner = owner.await.expect("a node owns the lane");
    let owner = nodes.remove(owner).unwrap();
    let report = owner.shutdown(GRACE).await;
    assert_eq!(report.cut_off, 0, "{report:?}");
}

async fn start(database: &Database) -> VecDeque<Webhooks> {
    let mut nodes = VecDeque::new();
    for _ in 0..NODES {
        nodes.push_back(open(database).await);
    }
    nodes
}

fn limited(url: String) -> NewEndpoint {
    let endpoint = NewEndpoint::new(url);
    endpoint.per_second(LIMIT.try_into().unwrap()).in_flight(20)
}

async fn send_to_each(nodes: &VecDeque<Webhooks>, events: usize) {
    for node in nodes {
        for first in (0..events).step_by(SEND_ALL_MAX) {
            let numbers = first..events.min(first + SEND_ALL_MAX);
            let events = numbers.map(|n| Event::new("a", &n));
            node.send_all("acme", events).await.unwrap();
        }
    }
}

/// Requests a second between two moments.
fn rate(arrived: &[Instant], from: Instant, to: Instant) -> f64 {
    let within = arrived.iter().filter(|at| (from..to).contains(*at));
    within.count() as f64 / (to - from).as_secs_f64()
}

/// Requests a second to an endpoint whose owner changes again and again.
#[derive(Debug)]
struct Rates {
    changing: f64,
    /// At the same time to another, as limited, whose owner stays: what this machine can do.
    steady: f64,
}

async fn rates_over_changes(apart: Duration) -> Rates {
    let (database, steady) = (Database::create().unwrap(), Database::create().unwrap());
    let nodes = start(&database).await;
    let (meter, url) = Meter::start(Duration::ZERO).await;
    nodes[0].endpoints("acme").add(limited(url)).await.unwrap();
    let alone = VecDeque::from([open(&steady).await]);
    let (steady_meter, url) = Meter::start(Duration::ZERO).await;
    alone[0].endpoints("acme").add(limited(url)).await.unwrap();
    // More than can go out meanwhile.
    let changing = apart * u32::try_from(CHANGES).unwrap() + BESIDES_MAX;
    let events = usize::try_from(changing.as_secs() * u64::from(LIMIT)).unwrap();
    send_to_each(&nodes, events / NODES).await;
    send_to_each(&alone, events).await;
    let nodes = come_and_go(&database, nodes, apart).await;
    let arrived = (meter.arrived(), steady_meter.arrived());
    assert!(nodes[0].pending().await.unwrap() > 0, "it ran dry");
    assert!(alone[0].pending().await.unwrap() > 0, "it ran dry");
    let from = arrived.0[0].max(arrived.1[0]);
    let to = arrived.0[arrived.0.len() - 1];
    let rates = Rates {
        changing: rate(&arrived.0, from, to),
        steady: rate(&arrived.1, from, to),
    };
    assert!(rates.changing <= f64::from(LIMIT) * 1.01, "{rates:?}");
    rates
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_held_over_nodes_that_come_and_go() {
    let rates = rates_over_changes(CHANGE_WAIT).await;
    println!("{rates:.2?}");
    // Each change costs a transaction of the owner, one of the successor and what wakes it.
    assert!(rates.changing >= rates.steady * 0.9, "{rates:?}");
}

#[ignore = "takes a minute; scripts/test --all runs it"]
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_used_within_one_per_cent_through_a_rolling_deploy() {
    let rates = rates_over_changes(DEPLOY_WAIT).await;
    println!("{rates:.2?}");
    assert!(rates.changing >= rates.steady * 0.99, "{rates:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_or_added_to_a_rate_limit_when_owners_change() {
    let database = Database::create().unwrap();
    let clock = Arc::<ManualClock>::default();
    let open = async || builder(&clock).open(&address(&database)).await.unwrap();
    let mut nodes = VecDeque::new();
    for _ in 0..NODES {
        nodes.push_back(open().await);
    }
    let (meter, url) = Meter::start(Duration::ZERO).await;
    nodes[0].endpoints("acme").add(limited(url)).await.unwrap();
    send_to_each(&nodes, 100).await;
    let mut expected = 1;
    for _ in 0..CHANGES {
        for _ in 0..20 {
            until("the next request goes out when it may", async || {
                meter.arrived().len() >= expected
            })
            .await;
            clock.advance(INTERVAL);
            expected += 1;
        }
        until("the last goes out", async || {
            meter.arrived().len() >= expected
        })
        .await;
        nodes.push_back(open().await);
        end_owner(&mut nodes).await;
        // Whoever takes over would have begun by now, were it not too soon.
        until("another owns the lane or may", async || {
            let owned =
                database.query("select node is not null or due_at is not null from hooks.lane");
            owned.unwrap().trim() == "t"
        })
        .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(meter.arrived().len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_never_above_the_limit_while_owners_change() {
    let database = Database::create().unwrap();
    let nodes = start(&database).await;
    // A request takes longer than a change of owner that does not wait for it.
    let (meter, url) = Meter::start(Duration::from_millis(150)).await;
    let endpoint = NewEndpoint::new(url).in_flight(3);
    nodes[0].endpoints("acme").add(endpoint).await.unwrap();
    send_to_each(&nodes, 80).await;
    let nodes = come_and_go(&database, nodes, CHANGE_WAIT).await;
    assert_eq!(meter.most(), 3);
    until("all is delivered", async || {
        nodes[0].pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(meter.most(), 3);
}
