//! The connection that writes, cut at a batch that is one statement and a transaction by itself.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use scratch_postgres::{Cluster, Settings};
use webhooks_core::{Event, Webhooks, testing::Receiver};

use super::{
    scissors::{Cut, LATE, Scissors},
    until,
};
use crate::world::gate::Gate;

/// What only such a statement has, of sends and of outcomes.
const SENT: &str = " lanes as (";
const DONE: &str = " gone as (";
const CUTS: [Cut; 3] = [Cut::Before, Cut::After, Cut::Late];
/// How often it is tried: what is sent while an outcome waits is written in more statements.
const TRIES: usize = 10;
const SENDS: usize = 4;

struct Ground {
    cluster: Cluster,
    scissors: Scissors,
    webhooks: Webhooks,
    receiver: Receiver,
    sent: usize,
}

impl Ground {
    async fn new() -> Self {
        let cluster = Cluster::start(Settings::quick()).unwrap();
        let scissors = Scissors::before(cluster.port()).await;
        let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
        let webhooks = builder.open(&scissors.address()).await.unwrap();
        let receiver = Receiver::start().await.unwrap();
        let acme = webhooks.endpoints("acme");
        acme.add(receiver.url()).await.unwrap();
        let paused = acme.add("http://127.0.0.1:1/").await.unwrap().id;
        acme.pause(&paused).await.unwrap();
        let mut ground = Self {
            cluster,
            scissors,
            webhooks,
            receiver,
            sent: 0,
        };
        ground.send().await;
        ground.settled().await;
        ground
    }

    /// Every one is acknowledged: what was not stored is stored on another connection.
    async fn send(&mut self) {
        let first = self.sent;
        let sends = (0..SENDS).map(|n| self.webhooks.send("acme", Event::new("a", &(first + n))));
        for sent in join_all(sends).await {
            sent.unwrap();
        }
        self.sent += SENDS;
    }

    fn number(&self, query: &str) -> usize {
        self.cluster.query(query).unwrap().trim().parse().unwrap()
    }

    /// Nothing is owed but to the endpoint that is paused.
    async fn settled(&self) {
        let owed = "select count(*) from hooks.delivery where not lane or claim is not null";
        until("all is delivered", async || {
            self.receiver.requests().len() >= self.sent && self.number(owed) == 0
        })
        .await;
    }

    /// Acknowledged is stored, once, and delivered, once; and nothing else is.
    fn check(&self) {
        assert_eq!(self.number("select count(*) from hooks.event"), self.sent);
        assert_eq!(
            self.number("select count(*) from hooks.delivery"),
            self.sent
        );
        assert_eq!(self.number("select count(*) from hooks.attempt"), self.sent);
        let mut arrived: BTreeMap<u64, usize> = BTreeMap::new();
        for request in self.receiver.requests() {
            let sent = request.json()["data"].as_u64().unwrap();
            *arrived.entry(sent).or_default() += 1;
        }
        assert!(arrived.values().all(|times| *times == 1), "{arrived:?}");
        assert_eq!(arrived.len(), self.sent);
    }

    /// Cuts at the next statement that has `what`.
    async fn cut(&mut self, what: &'static str, cut: Cut) {
        for _ in 0..TRIES {
            self.scissors.cut_at(what, cut);
            self.send().await;
            self.settled().await;
            let made = self.scissors.made();
            if made.is_none() {
                continue;
            }
            if cut == Cut::Late {
                tokio::time::sleep(2 * LATE).await;
                self.settled().await;
            }
            self.check();
            return;
        }
        panic!("{what} was not met");
    }
}

#[tokio::test]
async fn sends_that_are_lost_with_their_connection_are_stored_once_however_late_they_come() {
    let mut ground = Ground::new().await;
    for cut in CUTS {
        ground.cut(SENT, cut).await;
    }
}

#[tokio::test]
async fn outcomes_that_are_lost_with_their_connection_are_stored_once_however_late_they_come() {
    let mut ground = Ground::new().await;
    for cut in CUTS {
        ground.cut(DONE, cut).await;
    }
}

/// All connections of a node have one number.
const SAME_WRITER: [&str; 2] = [
    "create function hooks.same_writer() returns trigger language plpgsql as $$
     begin new.writer := old.writer; return new; end $$",
    "create trigger same_writer before update on hooks.node
     for each row execute function hooks.same_writer()",
];

#[tokio::test]
async fn without_a_number_of_the_connection_that_writes_what_comes_late_is_stored_as_well() {
    let mut ground = Ground::new().await;
    for statement in SAME_WRITER {
        ground.cluster.query(statement).unwrap();
    }
    ground.scissors.cut_at(SENT, Cut::Late);
    while ground.scissors.is_waiting() {
        ground.send().await;
    }
    until("it is stored as well", async || {
        ground.number("select count(*) from hooks.event") > ground.sent
    })
    .await;
}

const ATTEMPTS_OF_FIRST: &str = "
    select count(*) from hooks.attempt a join hooks.event e on e.seq = a.event_seq where e.id = 'first'";
/// How long the node waits for an answer: it gives its number up when it has waited twice as long.
const ANSWER_LIMIT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn an_attempt_whose_outcome_is_written_again_by_another_node_number_is_in_the_history_once() {
    let cluster = Cluster::start(Settings::quick()).unwrap();
    let scissors = Scissors::before(cluster.port()).await;
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let builder = builder.answer_limit(ANSWER_LIMIT);
    let webhooks = builder.open(&scissors.address()).await.unwrap();
    let (gate, url) = Gate::start().await;
    webhooks.endpoints("acme").add(url).await.unwrap();
    let send = async |id: &str| webhooks.send("acme", Event::new("a", &1).id(id)).await;
    // The first success of an endpoint is written in more statements.
    gate.open("before", 200);
    send("before").await.unwrap();
    until("it is delivered", async || {
        webhooks.pending().await.unwrap() == 0
    })
    .await;
    send("first").await.unwrap();
    gate.wait_for(2).await;
    let before = webhooks.nodes().await.unwrap()[0].id;
    scissors.cut_at(DONE, Cut::Last);
    gate.open("first", 200);
    until("it is cut", async || !scissors.is_waiting()).await;
    let refused = send("refused").await;
    assert!(refused.is_err(), "{refused:?}");
    scissors.open();
    until("it goes on as another node", async || {
        let nodes = webhooks.nodes().await;
        nodes.is_ok_and(|nodes| nodes.iter().any(|node| node.id != before))
    })
    .await;
    gate.open("after", 200);
    until("it stores events again", async || {
        send("after").await.is_ok()
    })
    .await;
    until("all is delivered", async || {
        webhooks.pending().await.is_ok_and(|pending| pending == 0)
    })
    .await;
    let attempts = cluster.query(ATTEMPTS_OF_FIRST).unwrap();
    assert_eq!(attempts, "1");
    assert_eq!(gate.arrived(), ["before", "first", "after"]);
}
