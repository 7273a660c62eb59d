//! Requests are captured byte for byte, including those that frameworks reject.

use polis::{Content, Listener, Settings};
use tokio::io::AsyncWriteExt;

use crate::wire::{client, connect, read_to_end, read_until, say};

#[tokio::test]
async fn headers_keep_their_order_case_and_repeats() {
    let listener = Listener::start().await.unwrap();
    let answer = say(
        &listener,
        b"PoST /a%2Fb?x=1&x=2 HTTP/1.1\r\nHost: h\r\nX-ONE: 1\r\nx-one:  two \r\nX-Empty:\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhi"), "{answer}");
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert_eq!(request.method(), "PoST");
    assert_eq!(request.target(), "/a%2Fb?x=1&x=2");
    let headers: Vec<_> = request.headers().collect();
    assert_eq!(
        headers,
        [
            ("Host", &b"h"[..]),
            ("X-ONE", b"1"),
            ("x-one", b"two"),
            ("X-Empty", b""),
            ("Connection", b"close"),
            ("Content-Length", b"2"),
        ]
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let listener = Listener::start().await.unwrap();
    let answer = say(
        &listener,
        b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nonePOST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    let bodies: Vec<_> = listener
        .wait_for(3)
        .await
        .unwrap()
        .iter()
        .map(|request| String::from_utf8(request.body.to_vec()).unwrap())
        .collect();
    assert_eq!(bodies, ["one", "two", ""]);
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let listener = Listener::start().await.unwrap();
    let answer = say(
        &listener,
        b"POST /old HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
    )
    .await;
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert_eq!(
        request.head.as_ref().unwrap().version().as_str(),
        "HTTP/1.0"
    );
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it() {
    let listener = Listener::start().await.unwrap();
    let mut stream = connect(&listener).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"ok").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[tokio::test]
async fn a_too_large_body_is_refused_before_it_is_sent() {
    let listener = with_body_limit(10).await;
    let answer = say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_cut_and_says_so() {
    let listener = with_body_limit(10).await;
    let answer = say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n01234567890123456789",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert_eq!(&request.body[..], b"0123456789");
    assert!(request.body_cut);
    assert!(request.problem.as_ref().unwrap().contains("10 bytes"));
}

#[tokio::test]
async fn broken_chunks_are_shown_with_what_came() {
    let listener = Listener::start().await.unwrap();
    let answer = say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert_eq!(&request.body[..], b"hello");
    assert!(request.problem.as_ref().unwrap().contains("chunk 2"));
}

#[tokio::test]
async fn a_body_that_ends_early_is_shown_with_what_came() {
    let listener = Listener::start().await.unwrap();
    let mut stream = connect(&listener).await;
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    read_to_end(&mut stream).await;
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert_eq!(&request.body[..], b"half");
    assert!(
        request
            .problem
            .as_ref()
            .unwrap()
            .contains("after 4 bytes of the body; content-length says 10")
    );
}

#[tokio::test]
async fn a_header_of_a_mebibyte_is_refused_clearly() {
    let listener = Listener::start().await.unwrap();
    let mut request = b"GET / HTTP/1.1\r\nHost: h\r\nX-Large: ".to_vec();
    request.resize(request.len() + 1024 * 1024, b'a');
    request.extend_from_slice(b"\r\n\r\n");
    let answer = say(&listener, &request).await;
    assert!(
        answer.starts_with("HTTP/1.1 431 Request Header Fields Too Large"),
        "{answer}"
    );
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert!(request.problem.as_ref().unwrap().contains("65536 bytes"));
    assert!(request.first_bytes.starts_with(b"GET / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn what_is_no_http_is_captured_with_its_first_bytes() {
    let listener = Listener::start().await.unwrap();
    let answer = say(&listener, b"hello there\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = say(&listener, b"\x16\x03\x01\x02\x00\x01").await;
    assert!(answer.contains("https://"), "{answer}");
    let requests = listener.wait_for(2).await.unwrap();
    assert_eq!(&requests[0].first_bytes[..], b"hello there\r\n\r\n");
    assert!(requests[1].problem.as_ref().unwrap().contains("TLS"));
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_kept() {
    let listener = Listener::start().await.unwrap();
    say(
        &listener,
        b"POST /\xff HTTP/1.1\r\nHost: h\r\nX-Bytes: \xfe\x01\r\nConnection: close\r\nContent-Length: 3\r\n\r\n\xff\x00\xfe",
    )
    .await;
    let request = listener.wait_for(1).await.unwrap().remove(0);
    let head = request.head.as_ref().unwrap();
    assert_eq!(head.target(), b"/\xff");
    assert_eq!(head.get("x-bytes"), Some(&b"\xfe\x01"[..]));
    assert_eq!(&request.body[..], b"\xff\x00\xfe");
    assert_eq!(request.content, Content::Binary);
    assert_eq!(request.notes.len(), 2);
}

#[tokio::test]
async fn multipart_and_gzip_are_named_and_kept_as_they_are() {
    let listener = Listener::start().await.unwrap();
    say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n--x--",
    )
    .await;
    say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    )
    .await;
    let requests = listener.wait_for(2).await.unwrap();
    assert_eq!(requests[0].content, Content::Multipart);
    assert_eq!(requests[1].content, Content::Compressed);
    assert_eq!(&requests[1].body[..], b"\x1f\x8b");
}

#[tokio::test]
async fn two_lengths_are_refused_and_two_framings_close_the_connection() {
    let listener = Listener::start().await.unwrap();
    let answer = say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    )
    .await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    let requests = listener.wait_for(2).await.unwrap();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].notes[0].contains("Transfer-Encoding"));
}

/// 900 silent connections delayed a webhook by 74 s, and a dripping body held its place for 120 s.
#[tokio::test]
async fn silent_connections_and_dripping_bodies_give_their_places_back() {
    let short = std::time::Duration::from_millis(150);
    let listener = Listener::start_with(Settings {
        limits: serve::Limits {
            connections: 3,
            header_time: short,
            body_time: short,
            ..serve::Limits::default()
        },
        ..Settings::quiet()
    })
    .await
    .unwrap();
    let mut silent = connect(&listener).await;
    let mut half = connect(&listener).await;
    half.write_all(b"POST / HT").await.unwrap();
    let mut dripping = connect(&listener).await;
    dripping
        .write_all(b"POST /drip HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na")
        .await
        .unwrap();
    let answer = client().post(listener.url() + "/real").body("x").send();
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(read_to_end(&mut half).await.starts_with("HTTP/1.1 408 "));
    assert!(
        read_to_end(&mut dripping)
            .await
            .starts_with("HTTP/1.1 408 ")
    );
    let drip = listener
        .requests()
        .into_iter()
        .find(|record| record.target() == "/drip");
    let problem = drip.unwrap().problem.clone().unwrap();
    assert_eq!(
        problem,
        "the body was not complete after 150ms; 1 bytes of it came"
    );
}

#[test]
fn the_capturing_listener_has_the_limits_of_the_other_servers() {
    let (own, theirs) = (Settings::default().limits, serve::Limits::default());
    assert_eq!(own.connections, theirs.connections);
    assert_eq!(own.header_time, theirs.header_time);
    assert_eq!(own.body_time, theirs.body_time);
}

async fn with_body_limit(bytes: usize) -> Listener {
    Listener::start_with(Settings {
        body_limit: bytes,
        ..Settings::quiet()
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn no_damage_to_a_request_goes_unanswered_or_harms_the_next() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    let whole = b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nWebhook-Id: m\r\n\r\n8\r\n{\"a\": 1}\r\n0\r\nX-Trailer: t\r\n\r\n";
    let listener = Listener::start().await.unwrap();
    let mut dice = StdRng::seed_from_u64(1);
    for round in 0..300 {
        let mut request = whole.to_vec();
        for _ in 0..dice.random_range(1..4) {
            let place = dice.random_range(0..request.len());
            match dice.random_range(0..4) {
                0 => request[place] = dice.random(),
                1 => drop(request.remove(place)),
                2 => request.insert(place, dice.random()),
                _ => request.truncate(place.max(1)),
            }
        }
        let mut stream = connect(&listener).await;
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_to_end(&mut stream).await;
        // White space alone is not a request yet.
        let is_blank = request.iter().all(|byte| b"\r\n".contains(byte));
        assert!(
            answer.starts_with("HTTP/1.1 ") || is_blank,
            "round {round}: {:?} got {answer:?}",
            String::from_utf8_lossy(&request)
        );
    }
    let answer = say(
        &listener,
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}
