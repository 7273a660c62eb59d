//! A client that writes bytes as they are, and what tests share.

use std::time::Duration;

use polis::{Listener, RuleSpec};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A test that waits longer has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) async fn connect(listener: &Listener) -> TcpStream {
    TcpStream::connect(listener.url().trim_start_matches("http://"))
        .await
        .unwrap()
}

/// Sends the bytes and reads until the server closes.
pub(crate) async fn say(listener: &Listener, bytes: &[u8]) -> String {
    let mut stream = connect(listener).await;
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("the server closes in time")
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until the text has come.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    let mut piece = [0; 1024];
    while !answer.contains(end) {
        let count = timeout(DEADLINE, stream.read(&mut piece))
            .await
            .expect("the answer comes in time")
            .unwrap();
        assert!(count > 0, "the server closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    answer
}

pub(crate) fn rule(json: &str) -> Vec<RuleSpec> {
    vec![serde_json::from_str(json).unwrap()]
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(DEADLINE)
        .build()
        .unwrap()
}
