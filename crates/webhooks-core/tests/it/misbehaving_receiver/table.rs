//! Every way to answer badly that somebody has reported, over real sockets: what an attempt makes
//! of it.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use webhooks_core::{Attempt, BodyCut, Event, Failure, Outcome};

use super::read_request;
use crate::each_store::Store;

/// All rows run at once, so that those who wait for it wait together.
const TIME_LIMIT: Duration = Duration::from_secs(4);
/// A body has a second: an answer that counts is there well before the time limit.
const BODY_SLACK: Duration = Duration::from_secs(3);

/// What the receiver does once it has read the request.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write(&'static str),
    /// The same bytes, so many times.
    Times(usize, &'static str),
    /// The same bytes without end, with a pause between.
    Pour(&'static str, Duration),
    /// Goes on when everything before it must have arrived apart from what follows.
    Pause,
    Hang,
    Reset,
}
use Step::{Hang, Pause, Pour, Reset, Times, Write};

#[derive(Debug)]
enum Expected {
    Success(Option<BodyCut>),
    Status(u16, Option<BodyCut>),
    Timeout,
    Broken,
    NotHttp,
}
use Expected::{Broken, NotHttp, Status, Success, Timeout};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const FIFTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n";
const NOW: Duration = Duration::ZERO;
/// The time limit where many pour: they end by themselves long before.
const POURS_FOR: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(20);
const KIBIBYTE: &str = "\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";

#[rustfmt::skip]
const ROWS: &[(&str, &[Step], Expected)] = &[
    // A 2xx counts with its head, whatever comes of its body.
    ("no body", &[Write("HTTP/1.1 204 No Content\r\n\r\n")], Success(None)),
    ("100 kB of page", &[Write("HTTP/1.1 200 OK\r\ncontent-length: 102400\r\n\r\n"), Times(100, KIBIBYTE)], Success(Some(BodyCut::Length))),
    ("a body that is too short", &[Write(FIFTY), Write("ten bytes!")], Success(Some(BodyCut::Broken))),
    ("a body that is reset", &[Write(FIFTY), Write("ten bytes!"), Pause, Reset], Success(Some(BodyCut::Broken))),
    ("a body that hangs", &[Write(FIFTY), Hang], Success(Some(BodyCut::Time))),
    ("a body without its last chunk", &[Write(CHUNKED), Write("5\r\nhello\r\n")], Success(Some(BodyCut::Broken))),
    ("a chunk that is none", &[Write(CHUNKED), Write("zz\r\nhello\r\n")], Success(Some(BodyCut::Broken))),
    ("a body that trickles for ever", &[Write(CHUNKED), Pour("1\r\nx\r\n", SOON)], Success(Some(BodyCut::Time))),
    ("a body in tiny chunks for ever", &[Write(CHUNKED), Pour("1\r\nx\r\n", NOW)], Success(Some(BodyCut::Length))),
    ("a chunk extension for ever", &[Write(CHUNKED), Write("1;"), Pour("xxxxxxxx", NOW)], Success(Some(BodyCut::Broken))),
    ("trailers for ever", &[Write(CHUNKED), Write("0\r\n"), Pour("x: y\r\n", NOW)], Success(Some(BodyCut::Broken))),
    ("a body that ends with the connection", &[Write("HTTP/1.1 200 OK\r\n\r\nall of it")], Success(None)),
    ("a page that a server streams for ever", &[Write("HTTP/1.1 200 OK\r\n\r\n"), Pour(KIBIBYTE, SOON)], Success(Some(BodyCut::Time))),
    ("300 headers", &[Write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"), Times(300, "x-some-header: and its value\r\n"), Write("\r\n")], Success(None)),
    ("HTTP/1.0", &[Write("HTTP/1.0 200 OK\r\n\r\nhello")], Success(None)),
    // Nor does any other status depend on its body.
    ("503 with a long page", &[Write("HTTP/1.1 503 Down\r\ncontent-length: 102400\r\n\r\n"), Times(100, KIBIBYTE)], Status(503, Some(BodyCut::Length))),
    ("410 that hangs", &[Write("HTTP/1.1 410 Gone\r\ncontent-length: 5\r\n\r\n"), Hang], Status(410, Some(BodyCut::Time))),
    ("500 that breaks off", &[Write("HTTP/1.1 500 Oops\r\ncontent-length: 50\r\n\r\nten bytes!")], Status(500, Some(BodyCut::Broken))),
    // Interim answers are not the answer, and few of them are read.
    ("interim answers, then a 200", &[Times(8, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), Write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")], Success(None)),
    ("interim answers for ever", &[Pour("HTTP/1.1 100 Continue\r\n\r\n", NOW)], NotHttp),
    ("interim answers now and then", &[Pour("HTTP/1.1 100 Continue\r\n\r\n", SOON)], NotHttp),
    ("another protocol", &[Write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")], Status(101, None)),
    // No head, no answer.
    ("a head that trickles for ever", &[Write("HTTP/1.1 200 OK\r\n"), Pour("x: y\r\n", SOON)], Timeout),
    ("headers for ever", &[Write("HTTP/1.1 200 OK\r\n"), Pour(KIBIBYTE, NOW)], NotHttp),
    ("silence", &[Hang], Timeout),
    ("nothing", &[], Broken),
    ("a reset", &[Reset], Broken),
    ("half a head", &[Write("HTTP/1.1 200 O")], Broken),
    ("mail", &[Write("220 mail.example ESMTP ready\r\n")], NotHttp),
    ("garbage", &[Write("\0\u{7f}\u{16}\u{3}\u{1} no such protocol\r\n\r\n")], NotHttp),
    ("two lengths", &[Write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nhello!!")], NotHttp),
];

async fn play(stream: &mut TcpStream, steps: &[Step]) -> std::io::Result<()> {
    for step in steps {
        match *step {
            Write(text) => stream.write_all(text.as_bytes()).await?,
            Times(count, text) => stream.write_all(text.repeat(count).as_bytes()).await?,
            Pour(text, pause) => loop {
                stream.write_all(text.as_bytes()).await?;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            },
            Pause => tokio::time::sleep(SOON).await,
            // Until the client has had enough.
            Hang => {
                let _ = stream.read(&mut [0]).await?;
            }
            Reset => stream.set_zero_linger()?,
        }
    }
    Ok(())
}

async fn serve(steps: &'static [Step]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                read_request(&mut stream).await;
                // A client that has had enough is no error here.
                let _ = play(&mut stream, steps).await;
            });
        }
    });
    url
}

fn is_as_expected(attempt: &Attempt, expected: &Expected) -> bool {
    let failure = match &attempt.outcome {
        Outcome::Success => None,
        Outcome::Failure(failure) => Some(failure),
    };
    let is_quick = attempt.duration < BODY_SLACK;
    match expected {
        Success(cut) => failure.is_none() && attempt.body_cut == *cut && is_quick,
        Status(status, cut) => {
            failure == Some(&Failure::Status(*status)) && attempt.body_cut == *cut && is_quick
        }
        Timeout => failure == Some(&Failure::Timeout(TIME_LIMIT)),
        Broken => matches!(failure, Some(Failure::Broken(_))) && is_quick,
        NotHttp => matches!(failure, Some(Failure::NotHttp(_))) && is_quick,
    }
}

async fn an_answer_counts_with_its_head_and_no_answer_outlives_the_time_limit(store: Store) {
    let world = store
        .world_with(|builder| builder.time_limit(TIME_LIMIT))
        .await;
    let wrong: Vec<String> = join_all(ROWS.iter().enumerate().map(
        |(row, (name, steps, expected))| {
            let webhooks = &world.webhooks;
            async move {
                let customer = format!("row{row}");
                webhooks
                    .endpoints(&customer)
                    .add(serve(steps).await)
                    .await
                    .unwrap();
                let event = Event::new("random_number:generate", &1);
                let sent = webhooks.send(&customer, event).await.unwrap();
                webhooks.drain().await;
                let deliveries = webhooks
                    .deliveries(&customer, &sent.event_id)
                    .await
                    .unwrap();
                let attempts = &deliveries[0].attempts;
                let fits = attempts.len() == 1 && is_as_expected(&attempts[0], expected);
                (!fits).then(|| format!("{name}: expected {expected:?}, got {attempts:?}"))
            }
        },
    ))
    .await
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn an_endpoint_whose_200s_never_end_is_well(store: Store) {
    let world = store
        .world_with(|builder| builder.time_limit(TIME_LIMIT))
        .await;
    let url = serve(&[Write(CHUNKED), Pour("1\r\nx\r\n", NOW)]).await;
    let added = world.webhooks.endpoints("acme").add(url).await.unwrap();
    world
        .send_all((0..20).map(|number| format!("e{number}")))
        .await;
    world.webhooks.drain().await;
    let endpoint = world.webhooks.endpoints("acme").get(&added.id).await;
    assert_eq!(endpoint.unwrap().failing_since, None);
    for number in 0..20 {
        let delivery = world.delivery(&format!("e{number}")).await;
        assert_eq!(delivery.attempts.len(), 1, "{delivery:?}");
        assert_eq!(delivery.attempts[0].outcome, Outcome::Success);
    }
}

/// The tiniest pieces, without end, on many connections at once: all are refused or cut long before their
/// time limit, and the healthy one does not wait for it either.
async fn receivers_that_pour_tiny_pieces_do_not_hold_up_a_healthy_one(store: Store) {
    const INTERIM: &[Step] = &[Pour("HTTP/1.1 100 Continue\r\n\r\n", NOW)];
    const HEAD: &[Step] = &[Write("HTTP/1.1 200 OK\r\n"), Pour("x: y\r\n", NOW)];
    const CHUNKS: &[Step] = &[Write(CHUNKED), Pour("1\r\nx\r\n", NOW)];
    const TRAILERS: &[Step] = &[Write(CHUNKED), Write("0\r\n"), Pour("x: y\r\n", NOW)];
    let world = store
        .world_with(|builder| builder.time_limit(POURS_FOR))
        .await;
    world.endpoint(|endpoint| endpoint).await;
    world.send("before").await;
    world.webhooks.drain().await;
    for (arrived, (what, count, steps, is_success)) in [
        ("interim", 128, INTERIM, false),
        ("head", 32, HEAD, false),
        ("chunks", 32, CHUNKS, true),
        ("trailers", 32, TRAILERS, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut pouring = Vec::new();
        for number in 0..count {
            let customer = format!("{what}{number}");
            let endpoints = world.webhooks.endpoints(&customer);
            endpoints.add(serve(steps).await).await.unwrap();
            let event = Event::new("random_number:generate", &1);
            let sent = world.webhooks.send(&customer, event).await.unwrap();
            pouring.push((customer, sent.event_id));
        }
        world.send(what).await;
        // After the one before, and one of each round.
        let arrives = world.receiver.wait_for(arrived + 2);
        let healthy = tokio::time::timeout(POURS_FOR / 4, arrives).await;
        assert!(healthy.is_ok(), "{what}: the healthy one waited");
        world.webhooks.drain().await;
        for (customer, id) in pouring {
            let deliveries = world.webhooks.deliveries(&customer, &id).await.unwrap();
            let attempt = &deliveries[0].attempts[0];
            let is_expected = match &attempt.outcome {
                Outcome::Success => is_success && attempt.body_cut.is_some(),
                Outcome::Failure(failure) => !is_success && matches!(failure, Failure::NotHttp(_)),
            };
            assert!(is_expected, "{what}: {attempt:?}");
            assert!(attempt.duration < POURS_FOR / 4, "{what}: {attempt:?}");
        }
    }
}

for_each_store!(
    an_answer_counts_with_its_head_and_no_answer_outlives_the_time_limit,
    an_endpoint_whose_200s_never_end_is_well,
    receivers_that_pour_tiny_pieces_do_not_hold_up_a_healthy_one
);
