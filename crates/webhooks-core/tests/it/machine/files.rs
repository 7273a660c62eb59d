//! The files that a process may have open.

use std::{fs::File, process::Command};

use futures_util::future::join_all;

use super::{
    DATABASES, GOES_ON, WAITS, delivery, expect_through, is_delivered_at_once, receiver, send_one,
    this_test, world,
};
use crate::{
    each_store::Store,
    world::{gate::let_others_run, log::Log, seconds},
};

/// Tells the child where the receiver is; without it the child does nothing.
const RECEIVER: &str = "RECEIVER_OF_MANY_HOSTS";
/// Far fewer than hosts: each kept connection is an open file.
const FILES_MAX: usize = 256;
const HOSTS: usize = 600;

#[tokio::test]
#[ignore = "run by the test below, with few files"]
async fn child_with_many_hosts() {
    let Ok(port) = std::env::var(RECEIVER) else {
        return;
    };
    let world = world().await;
    let mut sent = Vec::new();
    for host in 0..HOSTS {
        let customer = format!("c{host}");
        let url = format!("http://127.1.{}.{}:{port}/", host / 200, 1 + host % 200);
        world.webhooks.endpoints(&customer).add(url).await.unwrap();
        sent.push((send_one(&world.webhooks, &customer).await, customer));
    }
    world.webhooks.drain().await;
    for (event_id, customer) in &sent {
        let delivery = delivery(&world.webhooks, customer, event_id).await;
        assert!(is_delivered_at_once(&delivery), "{delivery:?}");
        let endpoints = world.webhooks.endpoints(customer).list().await.unwrap();
        assert_eq!(endpoints[0].failing_since, None);
    }
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Half are for connections; what else is open are some tens.
    assert!(open < FILES_MAX / 2 + 64, "{open} files are open");
    println!("all arrived");
}

async fn more_hosts_than_files_are_all_reached_and_leave_the_application_half_of_its_files(
    store: Store,
) {
    let database = store.database();
    let address = database.address.clone();
    let receiver = receiver().await;
    let child = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {FILES_MAX} && exec \"$@\""), "sh"])
            .args(this_test("machine::files::child_with_many_hosts"))
            .env(RECEIVER, receiver.port().to_string())
            .env(DATABASES, address);
        expect_through(command);
    });
    child.await.unwrap();
}

#[tokio::test]
#[ignore = "run by the test below, with few files"]
async fn child_without_a_file() {
    let Ok(port) = std::env::var(RECEIVER) else {
        return;
    };
    let log = Log::of_process();
    let world = world().await;
    for customer in ["a", "b"] {
        let url = format!("http://127.0.0.1:{port}/");
        world.webhooks.endpoints(customer).add(url).await.unwrap();
    }
    // The connection on which the deliveries are read below is open from here on.
    world.webhooks.endpoints("a").list().await.unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let mut sent = Vec::new();
    for customer in ["a", "b", "a", "b", "a"] {
        sent.push((customer, send_one(&world.webhooks, customer).await));
    }
    log.wait_for(WAITS).await;
    // Longer than any retry schedule, in steps that let each wait end.
    for _ in 0..100 {
        world.clock.advance(seconds(3_600));
        let_others_run().await;
    }
    // All at once, though no further connection to the database can be opened.
    let of_all = sent
        .iter()
        .map(|(customer, event_id)| delivery(&world.webhooks, customer, event_id));
    for ((customer, _), delivery) in sent.iter().zip(join_all(of_all).await) {
        assert!(delivery.attempts.is_empty(), "{delivery:?}");
        let endpoints = world.webhooks.endpoints(*customer).list().await.unwrap();
        assert_eq!(endpoints[0].failing_since, None);
    }
    assert_eq!(log.count_with(WAITS), 1);
    drop(taken);
    world.clock.advance(seconds(60));
    world.webhooks.drain().await;
    for (customer, event_id) in &sent {
        let delivery = delivery(&world.webhooks, customer, event_id).await;
        assert!(is_delivered_at_once(&delivery), "{delivery:?}");
    }
    assert_eq!((log.count_with(WAITS), log.count_with(GOES_ON)), (1, 1));
    println!("all arrived");
}

async fn without_a_file_to_open_deliveries_wait_and_no_endpoint_is_blamed(store: Store) {
    let database = store.database();
    let address = database.address.clone();
    let receiver = receiver().await;
    let child = tokio::task::spawn_blocking(move || {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n 128 && exec \"$@\"", "sh"])
            .args(this_test("machine::files::child_without_a_file"))
            .env(RECEIVER, receiver.port().to_string())
            .env(DATABASES, address);
        expect_through(command);
    });
    child.await.unwrap();
}

for_each_store!(
    more_hosts_than_files_are_all_reached_and_leave_the_application_half_of_its_files,
    without_a_file_to_open_deliveries_wait_and_no_endpoint_is_blamed
);
