//! The connection that writes, cut at each of the statements that a batch of everything consists of.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use scratch_postgres::{Cluster, Settings};
use sqlx::{Connection, PgConnection};
use webhooks_core::{
    Event, NewEndpoint, RetrySchedule, Webhooks,
    testing::{ReceivedRequest, Receiver},
};

use super::{
    scissors::{Cut, Scissors},
    until,
};

/// Far more statements than a round has.
const ROUNDS_MAX: usize = 400;
/// Of a round's events, those that have an id of the sender's.
const CHOSEN: usize = 2;
const SENDS: usize = 4;

struct Ground {
    cluster: Cluster,
    scissors: Scissors,
    webhooks: Webhooks,
    plain: Receiver,
    ordered: Receiver,
    app: PgConnection,
    /// What was acknowledged, in the order in which it was sent.
    sent: Vec<String>,
    /// What an app's own transaction stored.
    in_transactions: Vec<String>,
    endpoints_added: usize,
}

impl Ground {
    async fn new() -> Self {
        let cluster = Cluster::start(Settings::quick()).unwrap();
        let scissors = Scissors::before(cluster.port()).await;
        let soon = RetrySchedule::new([Duration::from_millis(20); 8]).unwrap();
        let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
        let opened = builder.retry(soon).open(&scissors.address()).await;
        let webhooks = opened.unwrap();
        let plain = Receiver::start().await.unwrap();
        let ordered = Receiver::start().await.unwrap();
        let acme = webhooks.endpoints("acme");
        acme.add(plain.url()).await.unwrap();
        let endpoint = NewEndpoint::new(ordered.url()).ordered(true);
        acme.add(endpoint).await.unwrap();
        let app = PgConnection::connect(&cluster.url()).await.unwrap();
        Self {
            cluster,
            scissors,
            webhooks,
            plain,
            ordered,
            app,
            sent: Vec::new(),
            in_transactions: Vec::new(),
            endpoints_added: 0,
        }
    }

    /// All that an engine does, in as few batches as can be, with a cut. Returns the statement at which
    /// it was made; `None` when there were not so many.
    async fn round(&mut self, behind: usize, cut: Cut) -> Option<String> {
        let webhooks = self.webhooks.clone();
        let label = |n: usize| format!("{behind}-{cut:?}-{n}");
        // Outcomes of attempts that fail come in while the writer is held.
        self.plain.respond_to(&label(0), [500, 200]);
        self.ordered.respond_to(&label(1), [500, 200]);
        let hold = webhooks.hold_writer().await.unwrap();
        self.scissors.cut_behind(behind, cut);
        let sends = (0..SENDS).map(|n| {
            let event = Event::new("a", &label(n));
            let event = if n < CHOSEN {
                event.id(label(n))
            } else {
                event
            };
            webhooks.send("acme", event)
        });
        let endpoints = webhooks.endpoints("other");
        let added = endpoints.add(self.plain.url());
        let mut tx = self.app.begin().await.unwrap();
        let event = Event::new("a", &label(SENDS));
        let sent_in = webhooks.send_in(&mut tx, "acme", event).await.unwrap();
        let committed = async {
            tx.commit().await.unwrap();
            sent_in.deliver_now();
            drop(hold);
        };
        let (answers, added, ()) = tokio::join!(join_all(sends), added, committed);
        self.in_transactions.push(label(SENDS));
        for (n, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(receipt) => {
                    assert_eq!(receipt.deliveries, 2);
                    self.sent.push(label(n));
                }
                Err(error) => {
                    assert!(!error.to_string().contains("not known"), "{error}");
                }
            }
        }
        self.endpoints_added += usize::from(added.is_ok());
        until("all is delivered", async || {
            webhooks.pending().await.unwrap() == 0
        })
        .await;
        self.scissors.made()
    }

    /// Acknowledged is delivered, once, and nothing else is; in order where that was asked for.
    async fn check(&self) {
        let number = |query: &str| self.cluster.query(query).unwrap().parse::<usize>().unwrap();
        let events = self.sent.len() + self.in_transactions.len();
        assert_eq!(number("select count(*) from hooks.event"), events);
        let others = self.webhooks.endpoints("other").list().await.unwrap();
        assert_eq!(others.len(), self.endpoints_added);
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for label in self.sent.iter().chain(&self.in_transactions) {
            wanted.insert(label.clone(), 1);
        }
        for (receiver, failing) in [(&self.plain, "-0"), (&self.ordered, "-1")] {
            let mut wanted = wanted.clone();
            for (label, times) in &mut wanted {
                *times += usize::from(label.ends_with(failing));
            }
            let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
            for label in labels(receiver) {
                *arrived.entry(label).or_default() += 1;
            }
            assert_eq!(arrived, wanted);
        }
        let mut in_order = labels(&self.ordered);
        in_order.dedup();
        in_order.retain(|label| self.sent.contains(label));
        assert_eq!(in_order, self.sent);
    }
}

fn labels(receiver: &Receiver) -> Vec<String> {
    let label = |request: &ReceivedRequest| {
        let label = request.json()["data"].clone();
        label.as_str().unwrap().to_owned()
    };
    receiver.requests().iter().map(label).collect()
}

#[tokio::test]
async fn whatever_statement_a_connection_is_lost_at_acknowledged_is_delivered_and_nothing_else() {
    let mut ground = Ground::new().await;
    let mut commits = 0;
    for behind in 0.. {
        assert!(behind < ROUNDS_MAX);
        let Some(statement) = ground.round(behind, Cut::Before).await else {
            break;
        };
        if statement.contains("commit") {
            commits += 1;
            ground.round(behind, Cut::After).await;
        }
    }
    // Of the batch that was held, of all the rest, and of outcomes.
    assert!(commits >= 3, "{commits}");
    ground.check().await;
    assert!(!ground.sent.is_empty());
}
