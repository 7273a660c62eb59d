//! How long it takes until others go on with what a node held: one that ends in order, and one that is
//! killed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use crash_test::{
    port,
    postgres::{
        database::Database,
        holder::{EVENTS, LIMIT, LIMITED, LIMITED_IN_FLIGHT},
        line::Line,
        node,
    },
};
use parking_lot::Mutex;
use sqlx::{Connection, PgConnection, Row};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};
use webhooks_core::Webhooks;

const ENDPOINTS: usize = 200;
/// For how long a node that is not heard of is taken for alive, and how often one is heard of.
const LEASE: Duration = Duration::from_secs(10);
const BEAT: Duration = Duration::from_secs(1);
/// What there is to do once a node is declared dead takes no longer on a machine that has nothing else to do: with a
/// beat it makes the 2 s that are promised beyond the lease.
const WORK: Duration = Duration::from_secs(1);
/// Long enough for whatever is to happen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What arrived, and whether requests are answered.
struct Receiver {
    arrived: Mutex<Vec<Arrival>>,
    answers: watch::Sender<bool>,
}

#[derive(Clone)]
struct Arrival {
    at: Instant,
    customer: String,
    event: String,
}

impl Receiver {
    async fn start() -> (Arc<Self>, String) {
        let receiver = Arc::new(Self {
            arrived: Mutex::default(),
            answers: watch::Sender::new(false),
        });
        let listener = port::listen().unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/{customer}", axum::routing::post(receive))
            .with_state(Arc::clone(&receiver));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    /// What arrived for customers whose names begin so.
    fn arrived(&self, name: &str) -> Vec<Arrival> {
        let arrived = self.arrived.lock();
        let of = arrived.iter().filter(|of| of.customer.starts_with(name));
        of.cloned().collect()
    }
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    Path(customer): Path<String>,
    headers: HeaderMap,
) -> StatusCode {
    let is_limited = customer.ends_with(LIMITED);
    receiver.arrived.lock().push(Arrival {
        at: Instant::now(),
        customer,
        event: headers["webhook-id"].to_str().unwrap().to_owned(),
    });
    if !is_limited {
        let mut answers = receiver.answers.subscribe();
        answers.wait_for(|answers| *answers).await.unwrap();
    }
    StatusCode::NO_CONTENT
}

/// A node that holds some events of each of many endpoints, with a request to each in flight.
struct Holder {
    name: &'static str,
    child: Child,
}

impl Holder {
    async fn start(name: &'static str, database: &Database, receiver: (&Receiver, &str)) -> Self {
        receiver.0.answers.send_replace(false);
        let mut child = Command::new(env!("CARGO_BIN_EXE_crash-test"))
            .args(["holder", "--database", &database.own_url()])
            .args(["--receiver", receiver.1, "--name", name])
            .args(["--endpoints", &ENDPOINTS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let holds = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if Line::parse(&line) == Some(Line::Quiet) {
                    return true;
                }
            }
            false
        });
        assert!(holds.await.unwrap());
        let held = Self { name, child };
        until("a request to each endpoint is in flight", async || {
            let arrived = receiver.0.arrived(name);
            let customers: HashSet<_> = arrived.iter().map(|of| &of.customer).collect();
            customers.len() == ENDPOINTS + 1
        })
        .await;
        held
    }

    /// As the table of nodes has it.
    fn name_of_node(&self) -> String {
        format!("%:{}", self.child.id().unwrap())
    }
}

/// Waits until `is_so`.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// From when a node was gone until others had begun each endpoint's work.
struct GoneOn {
    first: Duration,
    median: Duration,
    longest: Duration,
    /// The same for endpoints whose lane the node owned, and for the others.
    longest_of_owned: Duration,
    longest_of_claimed: Duration,
}

impl fmt::Display for GoneOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            median,
            longest_of_owned,
            longest_of_claimed,
            ..
        } = self;
        write!(
            f,
            "{ENDPOINTS} endpoints went on after {first:.2?}, {median:.2?} in the median, at the latest \
             after {longest_of_claimed:.2?} (claimed) and {longest_of_owned:.2?} (owned lanes)"
        )
    }
}

impl GoneOn {
    /// Waits until all that `name` held has arrived, but for what is limited.
    async fn measure(name: &str, receiver: &Receiver, gone_at: Instant) -> Self {
        let arrived = || {
            let mut arrived = receiver.arrived(name);
            arrived.retain(|of| !of.customer.ends_with(LIMITED));
            arrived
        };
        until("each event arrives", async || {
            let events: HashSet<String> = arrived().into_iter().map(|of| of.event).collect();
            events.len() == ENDPOINTS * EVENTS
        })
        .await;
        let mut first: BTreeMap<String, Duration> = BTreeMap::new();
        for arrival in arrived() {
            if let Some(after) = arrival.at.checked_duration_since(gone_at) {
                first.entry(arrival.customer).or_insert(after);
            }
        }
        assert_eq!(first.len(), ENDPOINTS, "each endpoint's work went on");
        let owned = |customer: &str| {
            let number: usize = customer.strip_prefix(name).unwrap().parse().unwrap();
            number % 2 == 1
        };
        let longest_where = |wanted: bool| {
            let of = first
                .iter()
                .filter(|(customer, _)| owned(customer) == wanted);
            of.map(|(_, after)| *after).max().unwrap()
        };
        let mut times: Vec<Duration> = first.values().copied().collect();
        times.sort();
        Self {
            first: times[0],
            median: times[times.len() / 2],
            longest: times[times.len() - 1],
            longest_of_owned: longest_where(true),
            longest_of_claimed: longest_where(false),
        }
    }
}

/// Watches how far apart the beats of nodes are, by the database's clock.
struct Beats(JoinHandle<Duration>);

impl Beats {
    fn watch(url: String, but: String) -> Self {
        Self(tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let mut seen: HashMap<i64, f64> = HashMap::new();
            let mut longest = 0.0_f64;
            loop {
                let rows = sqlx::query(
                    "select id, extract(epoch from seen_at)::float8,
                            exists (select 1 from webhooks.node where name like $1 and alive)
                     from webhooks.node where alive and name not like $1",
                )
                .bind(&but)
                .fetch_all(&mut connection)
                .await
                .unwrap();
                for row in &rows {
                    let (id, at): (i64, f64) = (row.get(0), row.get(1));
                    let before = seen.insert(id, at).unwrap_or(at);
                    longest = longest.max(at - before);
                    if !row.get::<bool, _>(2) {
                        return Duration::from_secs_f64(longest);
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }))
    }
}

/// The most requests of one customer that arrived within any second.
fn most_in_a_second(arrived: &[Arrival]) -> usize {
    let within = |from: usize| {
        let begins = arrived[from].at;
        let of = arrived[from..].iter();
        of.take_while(|of| of.at - begins < Duration::from_secs(1))
            .count()
    };
    (0..arrived.len()).map(within).max().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_held_goes_on_within_its_lease_and_two_seconds() {
    let database = Database::start(None).await.unwrap();
    let open = async || {
        let builder = Webhooks::builder().allow_networks(["127.0.0.0/8"]).unwrap();
        builder.open(&database.own_url()).await.unwrap()
    };
    let began = Instant::now();
    let nodes = [open().await, open().await];
    let (receiver, url) = Receiver::start().await;

    // What it takes this machine to go on with as much when nobody has to wait for a lease.
    let mut ends = Holder::start("ends", &database, (&receiver, &url)).await;
    receiver.answers.send_replace(true);
    let gone_at = Instant::now();
    let told = format!("{}\n", node::STOP);
    let input = ends.child.stdin.as_mut().unwrap();
    input.write_all(told.as_bytes()).await.unwrap();
    let ended = GoneOn::measure(ends.name, &receiver, gone_at).await;
    assert!(ends.child.wait().await.unwrap().success());
    println!("after an end in order: {ended}");

    let mut killed = Holder::start("killed", &database, (&receiver, &url)).await;
    // Who was not there for a lease declares nobody dead.
    tokio::time::sleep((LEASE + BEAT).saturating_sub(began.elapsed())).await;
    let beats = Beats::watch(database.own_url(), killed.name_of_node());
    receiver.answers.send_replace(true);
    let gone_at = Instant::now();
    killed.child.kill().await.unwrap();
    let after_kill = GoneOn::measure(killed.name, &receiver, gone_at).await;
    let beat = tokio::time::timeout(PATIENCE, beats.0)
        .await
        .unwrap()
        .unwrap();
    println!("after a kill: {after_kill}; beats of the others at most {beat:.2?} apart");
    let limit = LEASE + BEAT.max(beat) + WORK.max(ended.longest * 2);
    assert!(after_kill.longest <= limit, "{limit:?} is the limit");

    // Its rate limit was kept before, across, and after.
    let limited = || receiver.arrived(&format!("{}-{LIMITED}", killed.name));
    until("what is limited goes on", async || {
        let since = limited().into_iter().filter(|of| of.at > gone_at + BEAT);
        since.count() > usize::try_from(2 * LIMIT).unwrap()
    })
    .await;
    let limited = limited();
    let most = most_in_a_second(&limited);
    // Requests come to the receiver as late as they like: those in flight when the second begins, and the
    // one that was late for its time.
    let limit = usize::try_from(LIMIT + LIMITED_IN_FLIGHT + 2).unwrap();
    println!("requests in a second to what is limited to {LIMIT}: {most} at most");
    assert!(most <= limit, "{most} is more than {limit}");
    for node in nodes {
        node.shutdown(Duration::from_secs(10)).await;
    }
}
