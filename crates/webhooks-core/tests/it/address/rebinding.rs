//! A name that is public when it is looked at and local when it is dialled.

use std::{net::Ipv4Addr, sync::Arc};

use reqwest::dns::Resolve;
use webhooks_core::{AddressPolicy, AddressRefusal, GuardedResolver};

use crate::address::{
    name_server::RebindingNameServer,
    sender::{Outcome, Sender},
    sentinel::{NO_CONTENT, Sentinel},
};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);
const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

#[tokio::test]
async fn a_name_that_turns_local_after_the_check_is_not_dialled() {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let names = RebindingNameServer::start(&[PUBLIC, LOCAL]).await;
    let policy = AddressPolicy::default();
    let url = format!("http://rebind.example:{}/", sentinel.port);

    // The check that every naive guard makes: all is well.
    policy.parse(&url).unwrap();
    let guard = GuardedResolver::with_inner(policy.clone(), names.client());
    let looked_up: Vec<_> = guard
        .resolve("rebind.example".parse().unwrap())
        .await
        .unwrap()
        .collect();
    assert_eq!(looked_up, [(PUBLIC, 0).into()]);

    // And then the dialling, some milliseconds later.
    for _ in 0..3 {
        match Sender::new(policy.clone(), names.client())
            .attempt(&url)
            .await
        {
            Outcome::Refused(AddressRefusal::Forbidden { name, address, .. }) => {
                assert_eq!(name.as_deref(), Some("rebind.example"));
                assert_eq!(address, LOCAL);
            }
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(names.questions(), 4);
    assert_eq!(sentinel.visits(), 0);
}

/// The control: without the guard the same name server leads to the sentinel.
#[tokio::test]
async fn without_the_guard_the_same_name_reaches_the_sentinel() {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let names = RebindingNameServer::start(&[PUBLIC, LOCAL]).await;
    let first = names.client().resolve("rebind.example".parse().unwrap());
    assert!(first.await.unwrap().all(|found| found.ip() == PUBLIC));

    let unguarded = reqwest::Client::builder()
        .no_proxy()
        .dns_resolver(names.client())
        .build()
        .unwrap();
    let url = format!("http://rebind.example:{}/", sentinel.port);
    assert_eq!(unguarded.get(url).send().await.unwrap().status(), 204);
    assert_eq!(sentinel.visits(), 1);
}

/// One lookup an attempt, and the address of that lookup is the one dialled: there is no second
/// lookup that could answer differently.
#[tokio::test]
async fn the_judged_address_is_the_dialled_address() {
    const OTHER_LOCAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let names = RebindingNameServer::start(&[LOCAL, OTHER_LOCAL]).await;
    let policy = AddressPolicy::default()
        .allow_networks(["127.0.0.1"])
        .unwrap();
    let sender = Sender::new(policy, names.client());
    let url = format!("http://rebind.example:{}/", sentinel.port);

    assert!(matches!(sender.attempt(&url).await, Outcome::Answered(204)));
    assert_eq!((names.questions(), sentinel.visits()), (1, 1));

    match sender.attempt(&url).await {
        Outcome::Refused(AddressRefusal::Forbidden { address, .. }) => {
            assert_eq!(address, OTHER_LOCAL);
        }
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!((names.questions(), sentinel.visits()), (2, 1));
}

#[tokio::test]
async fn a_name_without_an_address_fails_and_is_not_called_forbidden() {
    let names = crate::address::sender::Names::new(&[("empty.example", &[])]);
    let sender = Sender::new(AddressPolicy::default(), Arc::clone(&names) as _);
    for (url, why) in [
        ("http://empty.example/", "empty.example has no address"),
        ("http://unknown.example/", "no such name"),
    ] {
        match sender.attempt(url).await {
            Outcome::Failed(error) => assert!(error.contains(why), "{error}"),
            outcome => panic!("{url}: {outcome:?}"),
        }
    }
}

/// The operating system's resolver, asked for the one name it knows without a network.
#[tokio::test]
async fn the_systems_answers_are_judged_too() {
    let guard = GuardedResolver::new(AddressPolicy::default());
    let refused = guard.resolve("localhost".parse().unwrap()).await.err();
    let refused = refused.expect("localhost is loopback");
    assert!(refused.is::<AddressRefusal>(), "{refused}");

    let policy = AddressPolicy::default();
    let policy = policy.allow_networks(["127.0.0.0/8", "::1"]).unwrap();
    let allowed = GuardedResolver::new(policy).resolve("localhost".parse().unwrap());
    assert!(allowed.await.unwrap().all(|found| found.ip().is_loopback()));
}
