//! Lanes that several nodes want something of at once: one adds to what another leaves, two take what a
//! third had.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use parking_lot::Mutex;
use scratch_postgres::Database;
use webhooks_core::{Event, NewEndpoint, RetrySchedule, Webhooks, testing::Receiver};

use super::{PATIENCE, address, open, open_with, until};
use crate::world::{gate::Gate, server::serve};

/// Whoever leaves a lane takes its time, before it locks anything for that.
const SLOW_LEAVES: [&str; 2] = [
    "create function hooks.take_time() returns trigger language plpgsql as $$
     begin perform pg_sleep(1); return null; end $$",
    "create trigger take_time before delete on hooks.lane
     for each statement execute function hooks.take_time()",
];

fn event(id: &str) -> Event {
    Event::new("a", &1).id(id)
}

/// The one that leaves has found the lane empty. The other knows the endpoint as one in trouble, of which
/// somebody else says when it is tried.
#[tokio::test]
async fn what_joins_a_lane_while_another_node_leaves_it_is_found() {
    let database = Database::create().unwrap();
    let soon = RetrySchedule::new([Duration::from_millis(20); 8]).unwrap();
    let leaving = open_with(&database, |builder| builder.retry(soon)).await;
    let joining = open(&database).await;
    let receiver = Receiver::start().await.unwrap();
    receiver.respond_to("first", [429, 200]);
    let endpoints = leaving.endpoints("acme");
    endpoints.add(receiver.url()).await.unwrap();
    for statement in SLOW_LEAVES {
        database.query(statement).unwrap();
    }
    leaving.send("acme", event("first")).await.unwrap();
    let leaves = "select count(*) from pg_stat_activity
                  where wait_event = 'PgSleep' and datname = current_database()";
    until("a lane is left", async || {
        database.query(leaves).unwrap() == "1"
    })
    .await;
    joining.send("acme", event("second")).await.unwrap();
    until("nothing is pending", async || {
        joining.pending().await.unwrap() == 0
    })
    .await;
    assert_eq!(receiver.event_ids(), ["first", "first", "second"]);
}

/// Who joins a lane takes its time, with the lane in hand. Nobody else does.
const JOINS_SLOWLY: [&str; 2] = [
    "create function hooks.take_time() returns trigger language plpgsql as $$ begin
         if current_setting('application_name') = 'joining' then perform pg_sleep(1); end if;
         return null;
     end $$",
    "create trigger take_time after insert on hooks.lane
     for each statement execute function hooks.take_time()",
];
const JOINS: &str = "select count(*) from pg_stat_activity
                     where wait_event = 'PgSleep' and datname = current_database()";
const WAITS_FOR_LANE: &str = "select count(*) from pg_stat_activity
                              where wait_event_type = 'Lock' and datname = current_database()";
/// Rows of a lane that is not there: nobody finds them.
const STRAY: &str = "
    select count(*) from hooks.delivery d
    where lane and claim is null and not exists (
        select from hooks.lane l where l.endpoint_key = d.endpoint_key)";

async fn open_as(database: &Database, parameters: &str) -> Webhooks {
    let soon = RetrySchedule::new([Duration::from_millis(20); 8]).unwrap();
    let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
    let address = format!("{}&{parameters}", address(database));
    builder.retry(soon).open(&address).await.unwrap()
}

/// How often it is tried to have one wait for the other: it takes some seconds each time.
const TRIES: usize = 5;

/// What became of an event that joined a lane.
struct Joined {
    /// The other waited for the lane.
    waited: bool,
    /// It has no lane.
    is_stray: bool,
    arrived: Vec<String>,
}

/// One node adds to a lane and is not through when another finds it at its end, and waits for the lane.
async fn join_before_another_leaves(leaves_with: &str) -> Joined {
    let database = Database::create().unwrap();
    let leaving = open_as(&database, leaves_with).await;
    let joining = open_as(&database, "application_name=joining").await;
    let (gate, url) = Gate::start().await;
    leaving.endpoints("acme").add(url).await.unwrap();
    leaving.send("acme", event("first")).await.unwrap();
    gate.wait_for(1).await;
    gate.open("first", 429);
    until("the endpoint is in trouble, and has a lane", async || {
        database.query("select count(*) from hooks.lane").unwrap() == "1"
    })
    .await;
    gate.close("first");
    gate.wait_for(2).await;
    for statement in JOINS_SLOWLY {
        database.query(statement).unwrap();
    }
    let joins = joining.clone();
    let mut joins = tokio::spawn(async move { joins.send("acme", event("second")).await });
    until("the lane is joined", async || {
        database.query(JOINS).unwrap() == "1"
    })
    .await;
    gate.open("second", 200);
    gate.open("first", 200);
    let waits = async {
        while database.query(WAITS_FOR_LANE).unwrap() == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::select! {
        () = waits => true,
        joined = &mut joins => {
            joined.unwrap().unwrap();
            false
        }
    };
    if waited {
        joins.await.unwrap().unwrap();
    }
    let is_stray = || database.query(STRAY).unwrap() == "1";
    until("it is delivered, or lost", async || {
        leaving.pending().await.unwrap() == 0 || is_stray()
    })
    .await;
    Joined {
        waited,
        is_stray: is_stray(),
        arrived: gate.arrived(),
    }
}

/// It locks the lane, and looks in a later statement what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_joined_a_lane_before_another_node_leaves_it_is_found() {
    for _ in 0..TRIES {
        let joined = join_before_another_leaves("application_name=leaving").await;
        assert!(!joined.is_stray);
        assert_eq!(joined.arrived, ["first", "first", "second"]);
        if joined.waited {
            return;
        }
    }
    panic!("nobody waited for a lane");
}

/// As a single statement would that deletes the lane where there is no row: it sees what there was before it
/// waited.
#[tokio::test(flavor = "multi_thread")]
async fn what_joined_a_lane_is_lost_where_who_leaves_it_looks_at_what_was_before() {
    let early = "options=-cdefault_transaction_isolation%3Drepeatable%5C%20read";
    for _ in 0..TRIES {
        let joined = join_before_another_leaves(early).await;
        if joined.is_stray {
            assert_eq!(joined.arrived, ["first", "first"]);
            return;
        }
    }
    panic!("the rule holds");
}

/// Ordered endpoints, of which each gets one request at a time.
const ENDPOINTS: usize = 12;
/// How often whoever has lanes ends, and another comes.
const CHANGES: usize = 5;
/// Events to each endpoint meanwhile, of each node.
const EVENTS: usize = 8;
/// How long a request takes.
const REQUEST: Duration = Duration::from_millis(5);

/// A receiver that sees whether requests to one endpoint overlap.
#[derive(Default)]
struct Watcher(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    in_flight: HashMap<String, usize>,
    /// Endpoints that got a request while they had one.
    overlaps: Vec<String>,
    /// The events of each endpoint, in the order they arrived.
    arrived: BTreeMap<String, Vec<String>>,
}

impl Watcher {
    async fn start() -> (Arc<Self>, String) {
        let watcher = Arc::<Self>::default();
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&watcher));
        (watcher, serve(app).await)
    }
}

async fn answer(State(watcher): State<Arc<Watcher>>, uri: Uri, headers: HeaderMap) {
    let endpoint = uri.path().to_owned();
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    {
        let mut seen = watcher.0.lock();
        let in_flight = seen.in_flight.entry(endpoint.clone()).or_default();
        *in_flight += 1;
        if *in_flight > 1 {
            seen.overlaps.push(format!("{endpoint} {id}"));
        }
        seen.arrived.entry(endpoint.clone()).or_default().push(id);
    }
    tokio::time::sleep(REQUEST).await;
    *watcher.0.lock().in_flight.entry(endpoint).or_default() -= 1;
}

async fn send_to_all(webhooks: Webhooks, name: String) {
    for n in 0..EVENTS {
        let id = format!("{name}-{n}");
        webhooks.send("acme", event(&id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_that_several_nodes_take_at_once_have_one_owner_at_a_time() {
    let database = Database::create().unwrap();
    let mut nodes = vec![
        open(&database).await,
        open(&database).await,
        open(&database).await,
    ];
    let (watcher, url) = Watcher::start().await;
    for n in 0..ENDPOINTS {
        let endpoint = NewEndpoint::new(format!("{url}{n}")).ordered(true);
        nodes[0].endpoints("acme").add(endpoint).await.unwrap();
    }
    let mut names = Vec::new();
    for change in 0..CHANGES {
        let mut senders = tokio::task::JoinSet::new();
        for (n, node) in nodes.iter().enumerate().skip(1) {
            let name = format!("{change}:{n}");
            names.push(name.clone());
            senders.spawn(send_to_all(node.clone(), name));
        }
        // It has the lanes, or most of them.
        let owner = nodes.remove(0);
        tokio::time::sleep(Duration::from_millis(20)).await;
        // What it has in flight ends before others have its lanes.
        owner.shutdown(Duration::from_secs(10)).await;
        while let Some(ended) = senders.join_next().await {
            ended.unwrap();
        }
        nodes.push(open(&database).await);
    }
    until("nothing is pending", async || {
        nodes[0].pending().await.unwrap() == 0
    })
    .await;
    let seen = watcher.0.lock();
    assert_eq!(seen.overlaps, [""; 0]);
    assert_eq!(seen.arrived.len(), ENDPOINTS);
    for (endpoint, arrived) in &seen.arrived {
        for name in &names {
            let mine = format!("{name}-");
            let arrived: Vec<_> = arrived.iter().filter(|id| id.starts_with(&mine)).collect();
            let wanted: Vec<String> = (0..EVENTS).map(|n| format!("{mine}{n}")).collect();
            assert_eq!(arrived, wanted.iter().collect::<Vec<_>>(), "{endpoint}");
        }
    }
}

/// Of no lane it is noted who has it.
const NOBODYS: [&str; 2] = [
    "create function hooks.nobodys() returns trigger language plpgsql as $$
     begin new.node := null; return new; end $$",
    "create trigger nobodys before insert or update on hooks.lane
     for each row execute function hooks.nobodys()",
];

#[tokio::test(flavor = "multi_thread")]
async fn lanes_of_which_nobody_notes_that_it_has_them_have_two_owners_at_a_time() {
    let database = Database::create().unwrap();
    let nodes = [open(&database).await, open(&database).await];
    for statement in NOBODYS {
        database.query(statement).unwrap();
    }
    let (watcher, url) = Watcher::start().await;
    for n in 0..ENDPOINTS {
        let endpoint = NewEndpoint::new(format!("{url}{n}")).ordered(true);
        nodes[0].endpoints("acme").add(endpoint).await.unwrap();
    }
    let overlap = async {
        for round in 0.. {
            let [one, other] = nodes.each_ref().map(Webhooks::clone);
            tokio::join!(
                send_to_all(one, format!("{round}:one")),
                send_to_all(other, format!("{round}:other")),
            );
            if !watcher.0.lock().overlaps.is_empty() {
                return;
            }
        }
    };
    let overlapped = tokio::time::timeout(PATIENCE, overlap).await;
    overlapped.expect("requests to one endpoint overlap");
}
