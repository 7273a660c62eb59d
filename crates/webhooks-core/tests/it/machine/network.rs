//! A network that goes and comes back: a network namespace whose only way out is taken away, for
//! longer than any retry schedule or for less than a request may take.

use std::{any::Any, net::Ipv4Addr, process::Command, time::Duration};

use super::{
    DATABASES, GOES_ON, WAITS, delivery, expect_through, is_delivered_at_once, receiver, send_one,
    this_test, world_on,
};
use crate::{
    address::name_server::RebindingNameServer,
    each_store::Store,
    world::{World, gate::let_others_run, hours, log::Log, seconds},
};

/// Set for the child; without it the child does nothing.
const NAMESPACE: &str = "NETWORK_NAMESPACE";
/// The address at which the receiver and the name server are, while there is a network.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);
/// The default schedule is 76 hours.
const OUTAGE_HOURS: u32 = 120;

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

fn give_network() {
    ip(&format!("address add {ADDRESS}/32 dev lo"));
    ip("route add default dev lo");
}

fn take_network() {
    ip(&format!("address del {ADDRESS}/32 dev lo"));
    // The route may have gone with the address.
    let _ = Command::new("ip")
        .args(["route", "del", "default"])
        .output();
}

/// In the child: a namespace with a network, and a receiver at this port.
async fn begin() -> Option<(Log, u16)> {
    std::env::var_os(NAMESPACE)?;
    let log = Log::of_process();
    ip("link set lo up");
    give_network();
    Some((log, receiver().await.port()))
}

/// An engine that may reach the receiver, which has so long for an answer.
async fn world(at: usize, time_limit: Duration) -> World {
    world_on(at, |builder| {
        builder
            .allow_networks([format!("{ADDRESS}/32")])
            .unwrap()
            .time_limit(time_limit)
    })
    .await
}

#[tokio::test]
#[ignore = "run by the test of a long outage, in a network namespace"]
async fn long_outage() {
    let Some((log, port)) = begin().await else {
        return;
    };
    let _names = RebindingNameServer::start_at("0.0.0.0:53", &[ADDRESS]).await;
    let world = world(0, seconds(3)).await;
    let mut customers = Vec::new();
    for (host, ordered) in [
        (ADDRESS.to_string(), false),
        (ADDRESS.to_string(), true),
        ("receiver.test".to_owned(), false),
        ("other.test".to_owned(), true),
    ] {
        let customer = format!("c{}", customers.len());
        let endpoint = webhooks_core::NewEndpoint::new(format!("http://{host}:{port}/"));
        let endpoints = world.webhooks.endpoints(&customer);
        endpoints.add(endpoint.ordered(ordered)).await.unwrap();
        customers.push(customer);
    }
    let mut sent = Vec::new();
    for customer in &customers {
        sent.push((customer, send_one(&world.webhooks, customer).await));
    }
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);

    take_network();
    for customer in &customers {
        for _ in 0..20 {
            sent.push((customer, send_one(&world.webhooks, customer).await));
        }
    }
    log.wait_for(WAITS).await;
    // Requests on connections that were open are given up by the system's time, not by the clock.
    world.webhooks.drain().await;
    for _ in 0..OUTAGE_HOURS * 4 {
        world.clock.advance(hours(1) / 4);
        let_others_run().await;
    }
    for customer in &customers {
        let endpoints = world.webhooks.endpoints(customer).list().await.unwrap();
        assert_eq!(endpoints[0].failing_since, None, "{endpoints:?}");
        assert_eq!(endpoints[0].state, webhooks_core::EndpointState::Active);
    }
    assert_eq!(log.count_with(WAITS), 1);
    let waiting = u64::try_from(customers.len() * 20).unwrap();
    assert_eq!(world.webhooks.pending().await.unwrap(), waiting);

    give_network();
    // Those that asked for a name just before wait for that answer, and once more.
    for _ in 0..5 {
        world.clock.advance(seconds(60));
        world.webhooks.drain().await;
    }
    for (customer, event_id) in &sent {
        let delivery = delivery(&world.webhooks, customer, event_id).await;
        assert!(is_delivered_at_once(&delivery), "{delivery:?}");
    }
    assert_eq!((log.count_with(WAITS), log.count_with(GOES_ON)), (1, 1));
    println!("all arrived");
}

/// One customer's endpoint at the receiver, with a connection that is open.
async fn reach(world: &World, port: u16) {
    let endpoints = world.webhooks.endpoints("acme");
    let url = format!("http://{ADDRESS}:{port}/");
    endpoints.add(url).await.unwrap();
    send_one(&world.webhooks, "acme").await;
    world.webhooks.drain().await;
    assert_eq!(world.webhooks.pending().await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "run by the test of a short outage, in a network namespace"]
async fn short_outage() {
    let Some((log, port)) = begin().await else {
        return;
    };
    // TCP sends again after 1.4 s and after 3 s: the network comes back too late for the one, and
    // the other comes too late for the answer.
    let impatient = world(0, seconds(3) / 2).await;
    let patient = world(1, seconds(5) / 2).await;
    reach(&impatient, port).await;
    reach(&patient, port).await;

    take_network();
    let event_id = send_one(&patient.webhooks, "acme").await;
    send_one(&impatient.webhooks, "acme").await;
    log.wait_for(WAITS).await;
    give_network();
    patient.webhooks.drain().await;
    patient.pass(seconds(60)).await;
    let delivery = delivery(&patient.webhooks, "acme", &event_id).await;
    assert!(is_delivered_at_once(&delivery), "{delivery:?}");
    println!("all arrived");
}

/// As root of a user namespace of its own, for those who are not root.
fn in_own_namespace(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .args(arguments);
    command
}

/// Some systems forbid namespaces to users; where the project is checked it must not be skipped.
fn may_take_network() -> bool {
    let tried = in_own_namespace(&["ip", "link", "set", "lo", "up"]).status();
    let allowed = tried.is_ok_and(|status| status.success());
    assert!(
        allowed || std::env::var_os("CI").is_none(),
        "unshare (util-linux) and ip (iproute2) cannot make a network here"
    );
    allowed
}

/// What a child has engines on, without a network.
struct Databases {
    addresses: [String; 2],
    #[expect(dead_code, reason = "what counts is that they are there")]
    places: Box<dyn Any>,
}

impl Databases {
    fn of(store: Store) -> Self {
        #[cfg(feature = "postgres")]
        if matches!(store, Store::Postgres) {
            return Self::at_a_socket();
        }
        let databases = [store.database(), store.database()];
        Self {
            addresses: databases.each_ref().map(|of| of.address.clone()),
            places: Box::new(databases),
        }
    }

    /// Of a server of its own: the one that all tests share listens to a network alone.
    #[cfg(feature = "postgres")]
    fn at_a_socket() -> Self {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        // Where we are root the server runs as nobody.
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), everybody).unwrap();
        let path = folder.path().display().to_string();
        let settings = scratch_postgres::Settings::quick().set("unix_socket_directories", &path);
        let cluster = scratch_postgres::Cluster::start(settings).unwrap();
        let address = |schema| format!("{}?host={path}&schema={schema}", cluster.url());
        Self {
            addresses: ["first", "second"].map(address),
            places: Box::new((cluster, folder)),
        }
    }
}

/// Runs one of the tests above in a network of its own.
fn run_in_own_network(child: &str, store: Store) {
    if !may_take_network() {
        println!("skipped: unshare and ip cannot make a network here");
        return;
    }
    let databases = Databases::of(store);
    let folder = tempfile::tempdir().unwrap();
    let resolv_conf = folder.path().join("resolv.conf");
    std::fs::write(&resolv_conf, format!("nameserver {ADDRESS}\n")).unwrap();
    let mut command = in_own_namespace(&["sh", "-c"]);
    command
        .arg("mount --bind \"$NETWORK_NAMESPACE\" /etc/resolv.conf && exec \"$@\"")
        .arg("sh")
        .args(this_test(child))
        .env(DATABASES, databases.addresses.join(" "))
        .env(NAMESPACE, &resolv_conf);
    expect_through(command);
}

async fn a_network_that_is_away_for_longer_than_the_schedule_costs_no_delivery(store: Store) {
    run_in_own_network("machine::network::long_outage", store);
}

async fn a_network_that_is_back_before_the_time_limit_costs_no_attempt(store: Store) {
    run_in_own_network("machine::network::short_outage", store);
}

for_each_store!(
    a_network_that_is_away_for_longer_than_the_schedule_costs_no_delivery,
    a_network_that_is_back_before_the_time_limit_costs_no_attempt
);
