//! Connections that wait for their next request, and servers that close them meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use webhooks_core::{Delivery, DeliveryState, Failure, Outcome};

use super::read_request;
use crate::{each_store::Store, world::World};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// After which Node closes a connection that waits; gunicorn after 2 s.
const NODE_CLOSES: Duration = Duration::from_secs(5);

/// What a server does with the second request of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    Answers,
    /// And says with each answer that it keeps the connection for so many seconds.
    AnswersAndKeeps(u32),
    Closes,
    Resets,
    AnswersHalf,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Connections that the other side has closed.
    closed: AtomicUsize,
    changed: Notify,
}

impl Counts {
    fn add(&self, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

/// Answers the first request of each connection.
async fn serve(second: Second) -> (String, Arc<Counts>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let counts = Arc::<Counts>::default();
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.add(&counted.connections);
            tokio::spawn(converse(stream, second, Arc::clone(&counted)));
        }
    });
    (url, counts)
}

async fn converse(mut stream: TcpStream, second: Second, counts: Arc<Counts>) {
    let mut answered = 0;
    loop {
        let mut first = [0];
        if stream.peek(&mut first).await.unwrap_or(0) == 0 {
            counts.add(&counts.closed);
            return;
        }
        read_request(&mut stream).await;
        counts.add(&counts.requests);
        answered += 1;
        if let Second::AnswersAndKeeps(seconds) = second {
            let keeps = format!("\r\nkeep-alive: timeout={seconds}\r\n\r\n");
            let answer = String::from_utf8_lossy(OK).replace("\r\n\r\n", &keeps);
            stream.write_all(answer.as_bytes()).await.unwrap();
            continue;
        }
        if answered == 1 || second == Second::Answers {
            stream.write_all(OK).await.unwrap();
            continue;
        }
        match second {
            Second::Resets => stream.set_zero_linger().unwrap(),
            Second::AnswersHalf => stream.write_all(b"HTTP/1.1 200").await.unwrap(),
            _ => {}
        }
        return;
    }
}

async fn send_two(store: Store, second: Second) -> (World, Arc<Counts>) {
    let world = store.world().await;
    let (url, counts) = serve(second).await;
    world.webhooks.endpoints("acme").add(url).await.unwrap();
    for id in ["first", "second"] {
        world.send(id).await;
        world.webhooks.drain().await;
    }
    (world, counts)
}

fn is_delivered(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Delivered { .. })
}

fn read(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

async fn a_kept_connection_serves_one_request_after_the_other(store: Store) {
    let (_world, counts) = send_two(store, Second::Answers).await;
    assert_eq!((read(&counts.connections), read(&counts.requests)), (1, 2));
}

async fn a_kept_connection_that_closes_unanswered_is_not_the_receivers_failure(store: Store) {
    for second in [Second::Closes, Second::Resets] {
        let (world, counts) = send_two(store, second).await;
        let delivery = world.delivery("second").await;
        assert!(is_delivered(&delivery), "{second:?}: {delivery:?}");
        assert_eq!(delivery.attempts.len(), 1, "{second:?}: {delivery:?}");
        // On the kept connection, and at once on a fresh one.
        assert_eq!((read(&counts.connections), read(&counts.requests)), (2, 3));
    }
}

async fn half_an_answer_on_a_kept_connection_is_the_receivers_failure(store: Store) {
    let (world, counts) = send_two(store, Second::AnswersHalf).await;
    let attempts = world.delivery("second").await.attempts;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    let outcome = &attempts[0].outcome;
    assert!(
        matches!(outcome, Outcome::Failure(Failure::Broken(_))),
        "{outcome:?}"
    );
    assert_eq!((read(&counts.connections), read(&counts.requests)), (1, 2));
}

async fn a_fresh_connection_that_closes_unanswered_gets_one_request_an_attempt(store: Store) {
    let world = store.world().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await;
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    world.webhooks.endpoints("acme").add(url).await.unwrap();
    world.send("e").await;
    world.webhooks.drain().await;
    let attempts = world.delivery("e").await.attempts;
    assert_eq!((attempts.len(), requests.load(Ordering::SeqCst)), (1, 1));
}

/// A server that closed the connection before our next request costs nobody anything.
async fn a_kept_connection_that_is_closed_meanwhile_is_not_used(store: Store) {
    let world = store.world().await;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let closed = Arc::new(Notify::new());
    let tells = Arc::clone(&closed);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            drop(stream);
            tells.notify_one();
        }
    });
    world.webhooks.endpoints("acme").add(url).await.unwrap();
    for id in (0..50).map(|number| format!("e{number}")) {
        world.send(&id).await;
        closed.notified().await;
        world.webhooks.drain().await;
        let delivery = world.delivery(&id).await;
        assert!(is_delivered(&delivery), "{delivery:?}");
        assert_eq!(delivery.attempts.len(), 1, "{delivery:?}");
    }
}

async fn a_kept_connection_is_closed_before_usual_servers_close_theirs(store: Store) {
    let world = store.world().await;
    let (url, counts) = serve(Second::Answers).await;
    world.webhooks.endpoints("acme").add(url).await.unwrap();
    world.send("e").await;
    world.webhooks.drain().await;
    assert_eq!(read(&counts.closed), 0);
    let is_closed = async {
        loop {
            let changed = counts.changed.notified();
            if read(&counts.closed) == 1 {
                break;
            }
            changed.await;
        }
    };
    let closed = tokio::time::timeout(NODE_CLOSES, is_closed).await;
    closed.expect("the server would have closed it first");
}

async fn a_connection_is_kept_when_its_server_says_that_it_keeps_it_for_longer_than_a_second(
    store: Store,
) {
    for (seconds, connections) in [(0, 2), (1, 2), (60, 1)] {
        let (_world, counts) = send_two(store, Second::AnswersAndKeeps(seconds)).await;
        let seen = (read(&counts.connections), read(&counts.requests));
        assert_eq!(seen, (connections, 2), "timeout={seconds}");
    }
}

/// More customers' hosts than there may be connections: the one that waited longest is closed.
async fn all_connections_together_are_bounded_and_the_oldest_is_closed_first(store: Store) {
    const MAX: usize = 4;
    let world = store.world_with(|builder| builder.connections(MAX)).await;
    let mut servers = Vec::new();
    for number in 0..MAX * 3 {
        let (url, counts) = serve(Second::Answers).await;
        let customer = format!("c{number}");
        world.webhooks.endpoints(&customer).add(url).await.unwrap();
        let event = webhooks_core::Event::new("random_number:generate", &1);
        world.webhooks.send(&customer, event).await.unwrap();
        world.webhooks.drain().await;
        servers.push(counts);
        if let Some(oldest) = number.checked_sub(MAX) {
            let counts = &servers[oldest];
            loop {
                let changed = counts.changed.notified();
                if read(&counts.closed) == 1 {
                    break;
                }
                changed.await;
            }
        }
        let open = servers.iter().filter(|counts| read(&counts.closed) == 0);
        assert!(open.count() <= MAX);
    }
}

for_each_store!(
    a_kept_connection_serves_one_request_after_the_other,
    a_kept_connection_that_closes_unanswered_is_not_the_receivers_failure,
    half_an_answer_on_a_kept_connection_is_the_receivers_failure,
    a_fresh_connection_that_closes_unanswered_gets_one_request_an_attempt,
    a_kept_connection_that_is_closed_meanwhile_is_not_used,
    a_kept_connection_is_closed_before_usual_servers_close_theirs,
    a_connection_is_kept_when_its_server_says_that_it_keeps_it_for_longer_than_a_second,
    all_connections_together_are_bounded_and_the_oldest_is_closed_first
);
