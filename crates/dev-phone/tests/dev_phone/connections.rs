//! What needs a real connection: dropping it, slowness, stopping.

use std::time::Duration;

use dev_phone::Account;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::desk::{Desk, GOOD, LIMIT, SID, Served, basic, encoded, messages};

/// Every byte that the server sends in answer to a request to send a text.
async fn bytes_in_answer(served: &Served) -> Vec<u8> {
    let body = encoded(&GOOD);
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        messages(".json"),
        served.address,
        basic(SID, Account::DEVELOPMENT_TOKEN),
        body.len(),
    );
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer))
        .await
        .expect("the connection closes")
        .unwrap();
    answer
}

#[tokio::test]
async fn a_dropped_connection_closes_without_a_byte_of_answer() {
    let desk = Desk::new();
    let served = Served::start(&desk).await;
    for (answer, texts) in [("drop", 0), ("accept_then_drop", 1)] {
        let switches = desk.phone.switches().with([("answer", answer)]).unwrap();
        desk.phone.set_switches(switches);
        assert_eq!(bytes_in_answer(&served).await, b"", "{answer}");
        assert_eq!(desk.phone.messages().len(), texts, "{answer}");
    }
    desk.phone.set_switches(dev_phone::Switches::default());
    let answer = bytes_in_answer(&served).await;
    assert!(answer.starts_with(b"HTTP/1.1 201 "), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_takes_the_text_first_and_answers_later() {
    let desk = Desk::new();
    let switches = desk.phone.switches().with([("slow_seconds", "30")]);
    desk.phone.set_switches(switches.unwrap());
    let started = tokio::time::Instant::now();
    let (answer, early) = tokio::join!(desk.create(&GOOD), async {
        tokio::time::sleep(Duration::from_secs(29)).await;
        desk.phone.messages().len()
    });
    assert_eq!(answer.status, 201);
    assert_eq!(early, 1, "the text is there before the answer");
    assert!(started.elapsed() >= Duration::from_secs(30));
    desk.phone
        .wait_until(Duration::from_secs(3600), |messages| {
            messages[0].status.is_final()
        })
        .await;
    // Three steps, each 30 seconds longer than at once.
    assert!(started.elapsed() >= Duration::from_secs(90));
}
