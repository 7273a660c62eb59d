//! What it costs that nodes hear of each other: figures for ARCHITECTURE.md.

use std::time::{Duration, Instant};

use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, testing::Receiver};

use super::{open, until};

const ROUNDS: usize = 200;
const IDLE: Duration = Duration::from_secs(20);

/// Transactions that the database has ended so far.
fn transactions(database: &Database) -> f64 {
    let statement = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
    database.query(statement).unwrap().trim().parse().unwrap()
}

#[tokio::test]
#[ignore = "measures: run it by hand, and put what it prints into ARCHITECTURE.md"]
async fn how_long_a_hand_over_takes_and_how_much_an_idle_node_asks() {
    let database = Database::create().unwrap();
    let (one, other) = (open(&database).await, open(&database).await);
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    one.endpoints("acme").add(endpoint).await.unwrap();
    // By then the lane is where it stays.
    tokio::time::sleep(IDLE).await;
    let nodes = one.nodes().await.unwrap();
    let stays = nodes.iter().any(|node| node.is_this && node.lanes > 0);
    let (owner, other) = if stays { (one, other) } else { (other, one) };
    for (sender, node) in [("the owner", &owner), ("the other node", &other)] {
        let arrived = receiver.requests().len();
        let mut took = Vec::with_capacity(ROUNDS);
        for round in 1..=ROUNDS {
            // At no fixed distance from whatever looks at fixed times.
            let pause = u64::try_from(100 + round * 37 % 211).unwrap();
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let began = Instant::now();
            node.send("acme", Event::new("a", &1)).await.unwrap();
            receiver.wait_for(arrived + round).await;
            took.push(began.elapsed());
        }
        took.sort();
        println!(
            "sent on {sender}: median {:?}, 90 % {:?}, 99 % {:?}, most {:?}",
            took[ROUNDS / 2],
            took[ROUNDS * 9 / 10],
            took[ROUNDS * 99 / 100],
            took[ROUNDS - 1]
        );
    }
    until("nothing is owed", async || {
        owner.pending().await.unwrap() == 0
    })
    .await;
    // Whatever was going on has ended.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (before, began) = (transactions(&database), Instant::now());
    tokio::time::sleep(IDLE).await;
    let ended = transactions(&database) - before;
    println!(
        "two idle nodes: {:.1} transactions a second",
        ended / began.elapsed().as_secs_f64()
    );
}
