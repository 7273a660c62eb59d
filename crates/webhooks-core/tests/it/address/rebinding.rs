//! A name that is public when it is looked at and local when it is dialled.

use std::{net::Ipv4Addr, sync::Arc};

use webhooks_core::{AddressPolicy, Resolve, Resolving, SystemResolver};

use crate::{
    address::{
        name_server::RebindingNameServer,
        sender::{Outcome, Sender},
        sentinel::{NO_CONTENT, Sentinel},
    },
    each_store::Store,
};

const PUBLIC: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);
const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;

async fn a_name_that_turns_local_after_the_check_is_not_dialled(store: Store) {
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let names = RebindingNameServer::start(&[PUBLIC, LOCAL]).await;
    let policy = AddressPolicy::default();
    let url = format!("http://rebind.example:{}/", sentinel.port);

    // The check that every naive guard makes: all is well.
    policy.parse(&url).unwrap();
    let looked_up = names.client().ask("rebind.example").await.unwrap();
    assert_eq!(looked_up, PUBLIC);
    policy.judge_ip(looked_up.into()).unwrap();

    // And then the dialling, some milliseconds later.
    for _ in 0..3 {
        let sender = Sender::on(store, policy.clone(), names.client()).await;
        match sender.attempt(&url).await {
            Outcome::Refused(refusal) => {
                let said = format!("rebind.example resolves to {LOCAL}, which is loopback");
                assert!(refusal.starts_with(&said), "{refusal}");
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
    let first = names.client().ask("rebind.example").await.unwrap();
    assert_eq!(first, PUBLIC);

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
async fn the_judged_address_is_the_dialled_address(store: Store) {
    const OTHER_LOCAL: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let names = RebindingNameServer::start(&[LOCAL, OTHER_LOCAL]).await;
    let policy = AddressPolicy::default()
        .allow_networks(["127.0.0.1"])
        .unwrap();
    let sender = Sender::on(store, policy, names.client()).await;
    let url = format!("http://rebind.example:{}/", sentinel.port);

    assert!(matches!(sender.attempt(&url).await, Outcome::Answered(204)));
    assert_eq!((names.questions(), sentinel.visits()), (1, 1));

    match sender.attempt(&url).await {
        Outcome::Refused(refusal) => {
            let said = format!("rebind.example resolves to {OTHER_LOCAL}, which is loopback");
            assert!(refusal.starts_with(&said), "{refusal}");
        }
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!((names.questions(), sentinel.visits()), (2, 1));
}

async fn a_name_without_an_address_fails_and_is_not_called_forbidden(store: Store) {
    let names = crate::address::sender::Names::new(&[("empty.example", &[])]);
    let sender = Sender::on(store, AddressPolicy::default(), names).await;
    for (url, why) in [
        ("http://empty.example/", "empty.example has no address"),
        ("http://unknown.example/", "unknown.example has no address"),
    ] {
        match sender.attempt(url).await {
            Outcome::Failed(error) => assert!(error.contains(why), "{error}"),
            outcome => panic!("{url}: {outcome:?}"),
        }
    }
}

/// Another name for what the operating system calls localhost, the one name that it knows without
/// a network.
struct Inside(SystemResolver);

impl Resolve for Inside {
    fn resolve<'a>(&'a self, _name: &'a str) -> Resolving<'a> {
        self.0.resolve("localhost")
    }
}

async fn the_systems_answers_are_judged_too(store: Store) {
    let inside = || Arc::new(Inside(SystemResolver::new()));
    let sentinel = Sentinel::start(NO_CONTENT).await;
    let url = format!("http://inside.example:{}/", sentinel.port);
    let guarded = Sender::on(store, AddressPolicy::default(), inside()).await;
    match guarded.attempt(&url).await {
        Outcome::Refused(refusal) => assert!(refusal.contains("loopback"), "{refusal}"),
        outcome => panic!("{outcome:?}"),
    }
    assert_eq!(sentinel.visits(), 0);

    let policy = AddressPolicy::default();
    let policy = policy.allow_networks(["127.0.0.0/8", "::1"]).unwrap();
    let allowed = Sender::on(store, policy, inside()).await;
    let outcome = allowed.attempt(&url).await;
    assert!(matches!(outcome, Outcome::Answered(204)), "{outcome:?}");
}

for_each_store!(
    a_name_that_turns_local_after_the_check_is_not_dialled,
    the_judged_address_is_the_dialled_address,
    a_name_without_an_address_fails_and_is_not_called_forbidden,
    the_systems_answers_are_judged_too
);
