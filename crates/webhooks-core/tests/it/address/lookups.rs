//! Many names looked up at once, some of which nobody answers for.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::watch;
use webhooks_core::{Event, Failure, LookupError, Outcome, Resolve, Resolved, Resolving};

use crate::{
    each_store::Store,
    world::{World, seconds},
};

/// Answers once it is open; never for names under `dead.example`.
struct Names {
    /// In the order in which they were asked for.
    asked: Mutex<Vec<String>>,
    open: watch::Sender<bool>,
    available: Mutex<bool>,
}

impl Names {
    fn new(open: bool) -> Arc<Self> {
        Arc::new(Self {
            asked: Mutex::default(),
            open: watch::Sender::new(open),
            available: Mutex::new(true),
        })
    }

    fn asked(&self, end: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|name| name.ends_with(end)).count()
    }

    /// How many were asked for before this one.
    fn turn_of(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().position(|asked| asked == name).unwrap()
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        self.asked.lock().unwrap().push(name.to_owned());
        Box::pin(async move {
            if !*self.available.lock().unwrap() {
                let (name, reason) = (name.to_owned(), "no answer".to_owned());
                return Err(LookupError::Unanswered { name, reason });
            }
            if name.ends_with("dead.example") {
                std::future::pending::<()>().await;
            }
            let mut open = self.open.subscribe();
            open.wait_for(|open| *open).await.unwrap();
            Ok(Resolved::new([Ipv4Addr::LOCALHOST.into()], Duration::ZERO))
        })
    }

    fn is_available(&self) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(*self.available.lock().unwrap()))
    }
}

async fn world(store: Store, names: &Arc<Names>) -> World {
    let names = Arc::clone(names) as Arc<dyn Resolve>;
    // An eighth of the connections are lookups: four at once.
    store
        .world_with(|builder| {
            builder
                .resolver(names)
                .connections(32)
                .time_limit(seconds(3))
        })
        .await
}

async fn add_and_send(world: &World, customer: &str, host: &str) -> String {
    let url = format!("http://{host}:{}/", world.receiver.address().port());
    world.webhooks.endpoints(customer).add(url).await.unwrap();
    let event = Event::new("random_number:generate", &1);
    world.webhooks.send(customer, event).await.unwrap().event_id
}

async fn one_name_is_looked_up_once_however_many_ask(store: Store) {
    let names = Names::new(false);
    let world = world(store, &names).await;
    for number in 0..20 {
        add_and_send(&world, &format!("c{number}"), "receiver.example").await;
    }
    while names.asked("receiver.example") == 0 {
        tokio::task::yield_now().await;
    }
    crate::world::gate::let_others_run().await;
    assert_eq!(names.asked("receiver.example"), 1);
    names.open.send_replace(true);
    world.receiver.wait_for(20).await;
}

async fn a_customer_whose_name_server_is_dead_holds_up_nobody_else(store: Store) {
    const DEAD: usize = 100;
    let names = Names::new(true);
    let world = world(store, &names).await;
    let port = world.receiver.address().port();
    for number in 0..DEAD {
        let url = format!("http://h{number}.dead.example:{port}/");
        world.webhooks.endpoints("dead").add(url).await.unwrap();
    }
    let event = Event::new("random_number:generate", &1);
    let event_id = world.webhooks.send("dead", event).await.unwrap().event_id;
    let before = names.asked("dead.example");
    add_and_send(&world, "acme", "receiver.example").await;
    world.receiver.wait_for(1).await;
    let turns = names.turn_of("receiver.example") - before;
    assert!(
        turns < DEAD / 2,
        "{turns} dead names were asked for in between"
    );
    // And the dead ones' failure is their own.
    world.webhooks.drain().await;
    let deliveries = world.webhooks.deliveries("dead", &event_id).await.unwrap();
    assert_eq!(deliveries.len(), DEAD);
    for delivery in deliveries {
        assert_eq!(delivery.attempts.len(), 1, "{delivery:?}");
        let outcome = &delivery.attempts[0].outcome;
        assert!(
            matches!(outcome, Outcome::Failure(Failure::Name(_))),
            "{outcome:?}"
        );
    }
}

/// Names that nobody answered for share one turn from then on, whoever they belong to.
async fn many_customers_with_dead_names_hold_up_a_new_name_once_at_most(store: Store) {
    const DEAD: usize = 100;
    let names = Names::new(true);
    let world = world(store, &names).await;
    for number in 0..DEAD {
        let host = format!("h{number}.dead.example");
        add_and_send(&world, &format!("dead{number}"), &host).await;
    }
    world.webhooks.drain().await;
    let before = names.asked("dead.example");
    // Their next attempts, all at once.
    world.clock.advance(seconds(60));
    while names.asked("dead.example") == before {
        tokio::task::yield_now().await;
    }
    add_and_send(&world, "acme", "receiver.example").await;
    world.receiver.wait_for(1).await;
    let turns = names.turn_of("receiver.example") - before;
    assert!(
        turns < DEAD / 2,
        "{turns} dead names were asked for in between"
    );
}

async fn a_resolver_that_cannot_be_asked_is_no_endpoints_failure(store: Store) {
    let names = Names::new(true);
    *names.available.lock().unwrap() = false;
    let world = world(store, &names).await;
    let event_id = add_and_send(&world, "acme", "receiver.example").await;
    while names.asked("receiver.example") < 3 {
        world.clock.advance(seconds(10));
        crate::world::gate::let_others_run().await;
    }
    assert!(world.delivery(&event_id).await.attempts.is_empty());
    *names.available.lock().unwrap() = true;
    world.clock.advance(seconds(10));
    world.webhooks.drain().await;
    assert_eq!(world.delivery(&event_id).await.attempts.len(), 1);
    assert_eq!(world.receiver.requests().len(), 1);
}

for_each_store!(
    one_name_is_looked_up_once_however_many_ask,
    a_customer_whose_name_server_is_dead_holds_up_nobody_else,
    many_customers_with_dead_names_hold_up_a_new_name_once_at_most,
    a_resolver_that_cannot_be_asked_is_no_endpoints_failure
);
