//! An endpoint that one node reaches and another does not.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use scratch_postgres::Database;
use webhooks_core::{
    EndpointId, EndpointState, Event, Resolve, Resolved, Resolving, Webhooks,
    testing::{ManualClock, Receiver},
};

use super::address;
use crate::world::{builder, hours};

const NAME: &str = "receiver.example";
/// Where the receiver is, and where nobody listens.
const THERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NOWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// An endpoint is disabled after five days of nothing but failures: twenty of these.
const STEP: Duration = hours(6);
/// Five days and some more.
const STEPS: usize = 24;

/// The network of a node: it leads to the receiver, or nowhere.
struct Network(Ipv4Addr);

impl Resolve for Network {
    fn resolve<'a>(&'a self, _name: &'a str) -> Resolving<'a> {
        let address = IpAddr::V4(self.0);
        Box::pin(async move { Ok(Resolved::new([address], Duration::ZERO)) })
    }
}

struct Pair {
    clock: Arc<ManualClock>,
    database: Database,
    receiver: Receiver,
    endpoint: EndpointId,
    nodes: Vec<Webhooks>,
    sent: usize,
}

impl Pair {
    /// Of the two networks the second leads nowhere.
    async fn start() -> Self {
        let database = Database::create().unwrap();
        let clock = Arc::<ManualClock>::default();
        let open = async |leads_to: Ipv4Addr| {
            let builder = builder(&clock).resolver(Arc::new(Network(leads_to)));
            builder.open(&address(&database)).await.unwrap()
        };
        let nodes = vec![open(THERE).await, open(NOWHERE).await];
        let receiver = Receiver::start().await.unwrap();
        let url = format!("http://{NAME}:{}/", receiver.address().port());
        let added = nodes[0].endpoints("acme").add(url).await.unwrap();
        Self {
            clock,
            database,
            receiver,
            endpoint: added.id,
            nodes,
            sent: 0,
        }
    }

    /// Days pass, in which each node is sent events.
    async fn pass_days(&mut self) {
        for _ in 0..STEPS {
            for at in 0..self.nodes.len() {
                let event = Event::new("a", &1).id(format!("e{}", self.sent));
                self.sent += 1;
                self.nodes[at].send("acme", event).await.unwrap();
                for node in &self.nodes {
                    node.drain().await;
                }
            }
            self.clock.advance(STEP);
        }
    }

    /// For how long nothing but failures were made at least, by those that failed.
    fn failed_for(&self) -> Duration {
        let span = "select max(at) - min(at) from hooks.attempt where failure is not null";
        let span = self.database.query(span).unwrap();
        Duration::from_millis(span.trim().parse().unwrap())
    }

    async fn assert_disabled(&self) {
        let state = self.state().await;
        let EndpointState::Disabled { reason } = &state else {
            panic!("{state:?}");
        };
        assert_eq!(reason, "every attempt failed for 5 days");
    }

    async fn state(&self) -> EndpointState {
        let endpoints = self.nodes[0].endpoints("acme");
        endpoints.get(&self.endpoint).await.unwrap().state
    }
}

#[tokio::test]
async fn an_endpoint_that_one_node_fails_to_reach_and_another_reaches_is_not_disabled() {
    let mut pair = Pair::start().await;
    pair.pass_days().await;
    assert!(pair.failed_for() > hours(5 * 24), "{:?}", pair.failed_for());
    assert!(pair.receiver.requests().len() >= STEPS);
    assert_eq!(pair.state().await, EndpointState::Active);
}

#[tokio::test]
async fn an_endpoint_that_no_node_reaches_any_more_is_disabled() {
    let mut pair = Pair::start().await;
    pair.pass_days().await;
    assert_eq!(pair.state().await, EndpointState::Active);
    // Whoever comes back to its address answers nobody.
    pair.receiver = Receiver::start().await.unwrap();
    pair.pass_days().await;
    assert!(pair.receiver.requests().is_empty());
    pair.assert_disabled().await;
}

#[tokio::test]
async fn an_endpoint_is_disabled_by_a_node_that_never_reached_it_once_others_are_gone() {
    let mut pair = Pair::start().await;
    pair.pass_days().await;
    assert_eq!(pair.state().await, EndpointState::Active);
    let gone = pair.nodes.remove(0);
    gone.shutdown(Duration::ZERO).await;
    pair.pass_days().await;
    pair.assert_disabled().await;
}
