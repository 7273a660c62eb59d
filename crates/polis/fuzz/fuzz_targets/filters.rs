//! Any bytes as the values of a list's filters, asked of a running polis: found or refused.
#![no_main]

use std::{
    fmt::Write as _,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::LazyLock,
};

use libfuzzer_sys::fuzz_target;
use polis::{Running, Settings};
use tokio::runtime::Runtime;

const FILTERS: [&str; 9] = [
    "q", "method", "path", "status", "event", "signature", "delivery", "since", "cursor",
];

static POLIS: LazyLock<(Runtime, Running)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("threads can be started");
    let polis = runtime.block_on(polis::start(Settings::quiet()));
    let polis = polis.expect("free ports are found");
    // Something to be found or left out.
    for path in ["/hooks?a=b", "/%F0%9F%90%BB"] {
        ask(polis.capture_address(), path);
    }
    (runtime, polis)
});

/// The answer to a request.
fn ask(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}

fuzz_target!(|values: Vec<(u8, Vec<u8>)>| {
    let mut target = "/api/requests?".to_owned();
    for (filter, value) in values {
        let _ = write!(target, "&{}=", FILTERS[usize::from(filter) % FILTERS.len()]);
        for byte in value.iter().take(200) {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    let answer = ask(POLIS.1.page_address(), &target);
    let status = answer.split(' ').nth(1);
    let is_known = matches!(status, Some("200" | "400" | "414" | "431"));
    assert!(is_known, "{target}: {answer}");
});
