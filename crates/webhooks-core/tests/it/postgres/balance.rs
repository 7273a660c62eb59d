//! Endpoints that one node delivers to, shared out among the nodes: without haste, without a request lost, added
//! or out of order, and without a word when all is where it should be.

use std::{cell::Cell, collections::HashMap, ops::RangeInclusive, sync::Arc, time::Duration};

use scratch_postgres::Database;
use webhooks_core::{
    Event, NewEndpoint, SEND_ALL_MAX, Webhooks,
    testing::{ManualClock, Receiver},
};

use super::{
    address,
    meter::Meter,
    open_with,
    scissors::{Cut, Scissors},
    until,
};
use crate::world::{builder, gate::Gate};

/// Of each node: real time. A fifth of a second lies between two beats, with each of which two lanes are given.
const LEASE: Duration = Duration::from_secs(2);
/// Longer than a test lasts.
const GRACE: Duration = Duration::from_secs(60);
const LANES: usize = 90;
/// The share of one of three nodes.
const SHARE: RangeInclusive<u64> = 20..=40;

async fn open(database: &Database) -> Webhooks {
    open_with(database, |builder| builder.lease(LEASE)).await
}

fn customer(number: usize) -> String {
    format!("customer{number}")
}

/// Adds an ordered endpoint for each of so many customers.
async fn add_ordered(webhooks: &Webhooks, customers: usize, url: &str) {
    for number in 0..customers {
        let endpoint = NewEndpoint::new(url).ordered(true);
        let endpoints = webhooks.endpoints(customer(number));
        endpoints.add(endpoint).await.unwrap();
    }
}

/// How many lanes each node has, by the nodes' numbers.
async fn shares(webhooks: &Webhooks) -> Vec<u64> {
    let nodes = webhooks.nodes().await.unwrap();
    nodes.iter().map(|node| node.lanes).collect()
}

async fn until_shared(webhooks: &Webhooks, nodes: usize) {
    until("each node has its share", async || {
        let shares = shares(webhooks).await;
        let each = shares.iter().all(|share| SHARE.contains(share));
        shares.len() == nodes && each && shares.iter().sum::<u64>() == LANES as u64
    })
    .await;
}

/// Sends one more event to each of the customers.
async fn send_round(webhooks: &Webhooks, round: usize) {
    let sends = (0..LANES).map(|number| {
        let event = Event::new("a", &1).id(format!("{}-{round}", customer(number)));
        let to = customer(number);
        async move { webhooks.send(&to, event).await.unwrap() }
    });
    futures_util::future::join_all(sends).await;
}

/// Each customer got the events of all rounds, each once and in their order.
async fn assert_in_order(receiver: &Receiver, rounds: usize) {
    receiver.wait_for(LANES * rounds).await;
    let mut arrived: HashMap<String, Vec<usize>> = HashMap::new();
    for id in receiver.event_ids() {
        let (customer, round) = id.split_once('-').unwrap();
        let rounds = arrived.entry(customer.to_owned()).or_default();
        rounds.push(round.parse().unwrap());
    }
    assert_eq!(arrived.len(), LANES);
    for (customer, arrived) in arrived {
        assert!(
            arrived.iter().copied().eq(0..rounds),
            "{customer}: {arrived:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_join_get_their_share_while_all_is_delivered_once_and_in_order() {
    let database = Database::create().unwrap();
    let first = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    add_ordered(&first, LANES, &receiver.url()).await;
    send_round(&first, 0).await;
    assert_eq!(shares(&first).await, [LANES as u64]);
    let nodes = [first.clone(), open(&database).await, open(&database).await];
    let rounds = Cell::new(1);
    until("each node has its share", async || {
        send_round(&nodes[rounds.get() % nodes.len()], rounds.get()).await;
        rounds.set(rounds.get() + 1);
        let shares = shares(&first).await;
        shares.iter().all(|share| SHARE.contains(share))
    })
    .await;
    until_shared(&first, nodes.len()).await;
    assert_in_order(&receiver, rounds.get()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rolling_deploy_each_node_has_a_share() {
    let database = Database::create().unwrap();
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(open(&database).await);
    }
    let receiver = Receiver::start().await.unwrap();
    add_ordered(&nodes[0], LANES, &receiver.url()).await;
    let mut rounds = 0;
    for at in 0..nodes.len() {
        let old = std::mem::replace(&mut nodes[at], open(&database).await);
        send_round(&old, rounds).await;
        old.shutdown(GRACE).await;
        send_round(&nodes[0], rounds + 1).await;
        rounds += 2;
    }
    until_shared(&nodes[0], nodes.len()).await;
    assert_in_order(&receiver, rounds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_to_lanes_once_each_is_its_favourites() {
    let database = Database::create().unwrap();
    let nodes = [
        open(&database).await,
        open(&database).await,
        open(&database).await,
    ];
    add_ordered(&nodes[0], LANES, "http://127.0.0.1:1/").await;
    until_shared(&nodes[0], nodes.len()).await;
    // What was under way when the last of them went is over.
    let beats = |database: &Database| -> String {
        let beats = "select max(seen_at) from hooks.node";
        database.query(beats).unwrap()
    };
    let pass_beats = async |count: usize| {
        let (seen, last) = (Cell::new(0), Cell::new(beats(&database)));
        until("beats", async || {
            let now = beats(&database);
            seen.set(seen.get() + usize::from(now != last.replace(now.clone())));
            seen.get() >= count
        })
        .await;
    };
    // Each looks at all lanes in a dozen of its own.
    let many = 3 * 15;
    pass_beats(many).await;
    let lanes = "select endpoint_key, node, xmin from hooks.lane order by endpoint_key";
    let before = database.query(lanes).unwrap();
    pass_beats(2 * many).await;
    assert_eq!(database.query(lanes).unwrap(), before);
}

/// Ordered endpoints, and with two requests in flight at most, in turn.
const BUSY: usize = 12;
const IN_FLIGHT: usize = BUSY / 2 + BUSY / 2 * 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_to_another_node_when_its_requests_in_flight_have_ended() {
    let database = Database::create().unwrap();
    let one = open(&database).await;
    let (gate, url) = Gate::start().await;
    for number in 0..BUSY {
        let endpoint = NewEndpoint::new(url.as_str());
        let endpoint = match number % 2 {
            0 => endpoint.ordered(true),
            _ => endpoint.in_flight(2),
        };
        let endpoints = one.endpoints(customer(number));
        endpoints.add(endpoint).await.unwrap();
    }
    let event = |number: usize, event: usize| format!("{}-{event}", customer(number));
    for number in 0..BUSY {
        let events = (0..5).map(|n| Event::new("a", &n).id(event(number, n)));
        one.send_all(&customer(number), events).await.unwrap();
    }
    gate.wait_for(IN_FLIGHT).await;
    let idle = one.endpoints("idle");
    for _ in 0..BUSY {
        let endpoint = NewEndpoint::new("http://127.0.0.1:1/").ordered(true);
        idle.add(endpoint).await.unwrap();
    }
    let other = open(&database).await;
    // Lanes are looked at in the order of their keys: the last that is idle comes after all that are busy.
    let at_other = |what: &str| -> u64 {
        let lanes = format!(
            "select count(*) from hooks.lane l join hooks.endpoint e on e.key = l.endpoint_key
             where l.node = (select max(id) from hooks.node) and e.customer {what} 'idle'"
        );
        database.query(&lanes).unwrap().trim().parse().unwrap()
    };
    until("idle ones are given", async || at_other("=") >= 3).await;
    assert_eq!(at_other("<>"), 0);
    assert_eq!(gate.arrived().len(), IN_FLIGHT, "{:?}", gate.arrived());
    for number in 0..BUSY {
        for n in 0..5 {
            gate.open(&event(number, n), 200);
        }
    }
    gate.wait_for(BUSY * 5).await;
    until("busy ones are given", async || at_other("<>") >= 3).await;
    let arrived = gate.arrived();
    assert_eq!(arrived.len(), BUSY * 5, "each came once: {arrived:?}");
    for number in (0..BUSY).step_by(2) {
        let prefix = format!("{}-", customer(number));
        let of_one: Vec<&String> = arrived
            .iter()
            .filter(|id| id.starts_with(&prefix))
            .collect();
        assert!(of_one.is_sorted(), "{of_one:?}");
    }
    until("each lane has an owner", async || {
        shares(&other).await.iter().sum::<u64>() == 2 * BUSY as u64
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_to_a_node_that_is_about_to_end() {
    let database = Database::create().unwrap();
    let (one, ending) = (open(&database).await, open(&database).await);
    let (gate, url) = Gate::start().await;
    ending.endpoints("slow").add(url).await.unwrap();
    let slow = Event::new("a", &1).id("slow");
    ending.send("slow", slow).await.unwrap();
    gate.wait_for(1).await;
    let ended = ending.clone();
    let ended = tokio::spawn(async move { ended.shutdown(GRACE).await });
    until("it says that it ends", async || {
        let leaving = "select count(*) from hooks.node where alive and leaving";
        database.query(leaving).unwrap().trim() == "1"
    })
    .await;
    add_ordered(&one, LANES / 3, "http://127.0.0.1:1/").await;
    let third = open(&database).await;
    until("the third has its share", async || {
        let shares = shares(&third).await;
        assert_eq!(shares[1], 0, "{shares:?}");
        // A third of them would be less.
        shares[2] >= 13 && shares.iter().sum::<u64>() == LANES as u64 / 3
    })
    .await;
    let offered = "select count(*) from hooks.lane l join hooks.node n on n.id = l.offered_to where n.leaving";
    assert_eq!(database.query(offered).unwrap().trim(), "0");
    assert!(!ended.is_finished(), "a request is in flight there");
    gate.open("slow", 200);
    ended.await.unwrap();
}

/// A node that others take for alive, and that takes nothing.
const ABSENT: &str = "
    insert into hooks.node (id, name, seen_at, reached_at, alive)
    select nextval('hooks.node_id'), 'absent', clock_timestamp(), 0, true returning id";

/// What is offered to a node that does not take it is taken by another a second later.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_its_favourite_does_not_take_goes_on_elsewhere() {
    let database = Database::create().unwrap();
    let clock = Arc::<ManualClock>::default();
    let address = address(&database);
    let one = builder(&clock).lease(LEASE).open(&address).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let endpoint = NewEndpoint::new(receiver.url()).ordered(true);
    one.endpoints("acme").add(endpoint).await.unwrap();
    let absent = database.query(ABSENT).unwrap();
    let absent: i64 = absent.lines().next().unwrap().trim().parse().unwrap();
    let offer = format!(
        "update hooks.lane set node = null, offered_to = {absent},
             due_at = (select max(reached_at) from hooks.node)"
    );
    database.query(&offer).unwrap();
    let lane = "select node is null, due_at is not null from hooks.lane";
    one.send("acme", Event::new("a", &1)).await.unwrap();
    one.drain().await;
    assert_eq!(database.query(lane).unwrap().trim(), "t|t");
    assert!(receiver.requests().is_empty());
    clock.advance(Duration::from_secs(1));
    receiver.wait_for(1).await;
}

/// Endpoints that are never at rest.
const LIVELY: usize = 4;
/// How many of them are the second node's favourites: the third and the fourth.
const SECOND_NODES: u64 = 2;

/// The commit that gives lanes away is lost with its connection: it comes true, does not, or does so when it was
/// given up.
async fn give_with_a_cut(cut: Cut) {
    let database = Database::create().unwrap();
    let mut url = url::Url::parse(&address(&database)).unwrap();
    let scissors = Scissors::before(url.port().unwrap()).await;
    url.set_port(Some(scissors.port())).unwrap();
    url.query_pairs_mut().append_pair("sslmode", "disable");
    let one = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let one = one.lease(LEASE).open(url.as_str()).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    let (meter, metered) = Meter::start(Duration::from_millis(20)).await;
    // Of the fourth, which the other node is to get, requests are counted.
    for number in 0..LIVELY {
        let url = if number + 1 == LIVELY {
            metered.clone()
        } else {
            receiver.url()
        };
        let endpoint = NewEndpoint::new(url).ordered(true);
        let endpoints = one.endpoints(customer(number));
        endpoints.add(endpoint).await.unwrap();
    }
    let other = open(&database).await;
    scissors.cut_commit_of("offered_to = t.favourite", cut);
    let sent = Cell::new(0);
    until("lanes are given", async || {
        for number in 0..LIVELY {
            let event = Event::new("a", &1).id(format!("{}-{}", customer(number), sent.get()));
            other.send(&customer(number), event).await.unwrap();
        }
        sent.set(sent.get() + 1);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let nodes = other.nodes().await.unwrap();
        let is_given = nodes
            .iter()
            .any(|node| node.is_this && node.lanes == SECOND_NODES);
        is_given && !scissors.is_waiting()
    })
    .await;
    assert!(scissors.made().is_some());
    until("all is delivered", async || {
        other.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(meter.most(), 1);
    assert_eq!(meter.arrived().len(), sent.get());
    let mut arrived: HashMap<String, Vec<usize>> = HashMap::new();
    for id in receiver.event_ids() {
        let (customer, number) = id.split_once('-').unwrap();
        let numbers = arrived.entry(customer.to_owned()).or_default();
        numbers.push(number.parse().unwrap());
    }
    for arrived in arrived.values() {
        assert!(arrived.iter().copied().eq(0..sent.get()), "{arrived:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_is_one_nodes_at_a_time_though_the_commit_that_gives_it_is_lost() {
    for cut in [Cut::Before, Cut::After, Cut::Late] {
        give_with_a_cut(cut).await;
    }
}

/// Requests a second of each endpoint.
const LIMIT: u32 = 100;
const INTERVAL: Duration = Duration::from_millis(10);
const LIMITED: usize = 8;
/// Lanes that the first node no longer has.
const GIVEN_BY_FIRST: &str = "
    select count(*) from hooks.lane where node is distinct from (select min(id) from hooks.node)";
/// Whoever took over a lane would have begun by now, were it too soon.
const SOON: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_lost_or_added_to_a_rate_limit_when_lanes_are_given() {
    let database = Database::create().unwrap();
    let clock = Arc::<ManualClock>::default();
    let open = async || {
        let builder = builder(&clock).lease(LEASE);
        builder.open(&address(&database)).await.unwrap()
    };
    let one = open().await;
    let mut meters = Vec::new();
    for number in 0..LIMITED {
        let (meter, url) = Meter::start(Duration::ZERO).await;
        let endpoint = NewEndpoint::new(url).per_second(LIMIT.try_into().unwrap());
        let endpoints = one.endpoints(customer(number));
        endpoints.add(endpoint.in_flight(20)).await.unwrap();
        let events = (0..SEND_ALL_MAX).map(|n| Event::new("a", &n));
        one.send_all(&customer(number), events).await.unwrap();
        meters.push(meter);
    }
    let given_to = async |node: &Webhooks| {
        let nodes = node.nodes().await.unwrap();
        nodes.iter().any(|node| node.is_this && node.lanes >= 3)
    };
    let all_arrived = async |expected: usize| {
        for meter in &meters {
            until("the next request goes out when it may", async || {
                meter.arrived().len() >= expected
            })
            .await;
        }
    };
    let none_is_added = |expected: usize| {
        for meter in &meters {
            assert_eq!(meter.arrived().len(), expected);
        }
    };
    // While time stands still, whoever takes over has to wait as well.
    all_arrived(1).await;
    let _other = open().await;
    until("lanes are given", async || {
        let given = database.query(GIVEN_BY_FIRST).unwrap();
        given.trim().parse::<usize>().unwrap() >= 3
    })
    .await;
    tokio::time::sleep(SOON).await;
    none_is_added(1);
    // And while it passes.
    let third = open().await;
    let mut expected = 1;
    while !given_to(&third).await {
        all_arrived(expected).await;
        none_is_added(expected);
        clock.advance(INTERVAL);
        expected += 1;
        assert!(expected < SEND_ALL_MAX, "no lane was given");
    }
    all_arrived(expected).await;
    tokio::time::sleep(SOON).await;
    none_is_added(expected);
}
