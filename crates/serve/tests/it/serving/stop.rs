//! How a server stops: nothing is lost that could finish, nothing stays that could not.

use std::{
    convert::Infallible,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
};

use axum::{
    Router,
    response::sse::{Event, Sse},
    routing::get,
};
use futures_util::stream::{self, StreamExt};
use serve::Limits;
use tokio::{net::TcpStream, sync::Notify};

use super::{
    client::{Client, Closed},
    server::{SHORT, Server, patient, within},
};

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// A route that says when a request is in it and answers when told to.
fn held() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&entered), Arc::clone(&leave));
    let handler = move || {
        let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
        async move {
            told.notify_one();
            wait.notified().await;
            "finished"
        }
    };
    (Router::new().route("/", get(handler)), entered, leave)
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_new_connections_are_refused() {
    let (router, entered, leave) = held();
    let mut server = Server::start(router, patient()).await;
    let address = server.address;
    let mut idle = Client::connect(address).await;
    let mut client = Client::connect(address).await;
    client.send(GET).await;
    within(entered.notified()).await;

    server.ask_to_stop();
    assert_eq!(idle.read_to_close().await, (String::new(), Closed::Orderly));
    assert!(TcpStream::connect(address).await.is_err());

    leave.notify_one();
    let (answer, closed) = client.read_to_close().await;
    assert!(answer.ends_with("finished"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(closed, Closed::Orderly);
    server.stopped().await;
}

#[tokio::test]
async fn what_is_still_busy_after_the_grace_is_closed() {
    let (router, entered, _never) = held();
    let limits = Limits {
        grace: SHORT,
        ..patient()
    };
    let mut server = Server::start(router, limits).await;
    let mut busy = Client::connect(server.address).await;
    busy.send(GET).await;
    within(entered.notified()).await;
    let mut half = Client::connect(server.address).await;
    half.send("GET / HTT").await;

    server.ask_to_stop();
    server.stopped().await;
    assert_eq!(busy.read_to_close().await.0, "");
    half.read_to_close().await;
}

#[tokio::test]
async fn server_sent_events_end_when_the_server_stops() {
    let events = || async {
        let first = stream::iter([Ok::<_, Infallible>(Event::default().data("first"))]);
        Sse::new(first.chain(stream::pending()))
    };
    let router = serve::protect(Router::new().route("/", get(events)));
    // With this grace, only a stream that ends by itself lets the server stop.
    let mut server = Server::start(router, patient()).await;
    let mut client = Client::connect(server.address).await;
    client.send(GET).await;
    client.read_until("data: first\n\n\r\n").await;

    server.ask_to_stop();
    let (rest, closed) = client.read_to_close().await;
    // A proper last chunk: the browser sees an end, not an error.
    assert_eq!((rest.as_str(), closed), ("0\r\n\r\n", Closed::Orderly));
    server.stopped().await;
}

const CHILD: &str = "serving::stop::child_that_serves_until_a_signal";

#[test]
fn sigterm_and_ctrl_c_stop_the_program_in_order() {
    for signal in ["TERM", "INT"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().contains("ready")),
            "{signal}"
        );
        let sent = Command::new("kill")
            .args(["-s", signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "{signal}");
        assert!(
            lines.any(|line| line.unwrap().contains("stopped in order")),
            "{signal}"
        );
        assert!(child.wait().unwrap().success(), "{signal}");
    }
}

#[tokio::test]
#[ignore = "run by the test above, which sends it a signal"]
async fn child_that_serves_until_a_signal() {
    let listener = serve::bind(serve::Host::default(), 0, "PORT")
        .await
        .unwrap();
    let stop = async {
        let signal = serve::stop_signal();
        let mut signal = std::pin::pin!(signal);
        // The first poll installs the handlers; only then may the signal come.
        tokio::select! {
            biased;
            _ = signal.as_mut() => panic!("no signal was sent yet"),
            () = std::future::ready(()) => println!("ready"),
        }
        signal.await.unwrap();
    };
    within(serve::serve(listener, Router::new(), patient(), stop)).await;
    println!("stopped in order");
}
