//! "Copy as": whatever a sender wrote, pasting the copy into a shell runs one command and no other.

use std::{path::Path, process::Command};

use polis::Listener;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::scene::{DEADLINE, get};

/// Texts that try, in every way that a shell knows, to run their own program.
const ATTACKS: [&str; 8] = [
    "'; touch owned; '",
    "\"; touch owned; \"",
    "`touch owned`",
    "$(touch owned)",
    "\\'; touch owned; #",
    "a\n touch owned\n",
    "a & touch owned & !! %s \\n",
    "'\"'\"'; touch owned #",
];

/// Sends a request as these bytes and waits for the answer.
async fn say(listener: &Listener, bytes: &[u8]) {
    let address = listener.url();
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .expect("polis closes in time")
        .unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
}

async fn post(listener: &Listener, method: &str, target: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: polis\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    say(listener, &[head.as_bytes(), body].concat()).await;
}

/// A curl that only records its arguments, each ended by NUL, and its input.
fn stubs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curl");
    let script = "#!/bin/sh\nprintf '%s\\0' \"$@\" > arguments\ncat > input\n";
    std::fs::write(&path, script).unwrap();
    let mut mode = std::fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    folder
}

/// What the command that was copied gave to the program it names.
struct Ran {
    arguments: Vec<String>,
    input: Vec<u8>,
}

/// Runs a copied command as somebody does who pastes it into a shell.
fn run(stubs: &Path, copied: &str) -> Ran {
    let place = tempfile::tempdir().unwrap();
    let path = format!("{}:/usr/bin:/bin", stubs.display());
    let done = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", copied])
        .current_dir(place.path())
        .env("PATH", path)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("bash runs");
    assert!(done.status.success(), "{copied}\n{done:?}");
    let mut left: Vec<String> = std::fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "input")
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["arguments"],
        "one command ran and no other: {copied}"
    );
    let noted = std::fs::read(place.path().join("arguments")).unwrap();
    Ran {
        arguments: noted
            .split(|byte| *byte == 0)
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect(),
        input: std::fs::read(place.path().join("input")).unwrap_or_default(),
    }
}

/// The copy of a request, as the page's link gives it.
async fn copied(listener: &Listener, id: usize, form: &str) -> String {
    let (status, text) = get(listener, &format!("/requests/{id}/as/{form}")).await;
    assert_eq!(status, 200, "{text}");
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "a paste gives the terminal no control characters: {text:?}"
    );
    text
}

#[tokio::test]
async fn a_body_never_breaks_out_of_its_copy() {
    let listener = Listener::start().await.unwrap();
    let stubs = stubs();
    let mut bodies: Vec<Vec<u8>> = ATTACKS
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    bodies.push(b"\0'; touch owned; '\0".to_vec());
    bodies.push((0..=255).collect());
    bodies.push(b"\x1b]0;title\x07'`touch owned`".to_vec());
    for (index, body) in bodies.iter().enumerate() {
        post(&listener, "POST", "/hooks", "", body).await;
        let curl = run(stubs.path(), &copied(&listener, index + 1, "curl").await);
        match curl
            .arguments
            .iter()
            .position(|given| given == "--data-raw")
        {
            Some(at) => assert_eq!(curl.arguments[at + 1].as_bytes(), body),
            None => assert_eq!(&curl.input, body, "through the pipe"),
        }
    }
}

#[tokio::test]
async fn neither_headers_nor_paths_nor_methods_break_out_of_their_copies() {
    let listener = Listener::start().await.unwrap();
    let stubs = stubs();
    let mut id = 0;
    for attack in ATTACKS.iter().filter(|attack| !attack.contains('\n')) {
        let header = format!("X-Attack: {attack}\r\n");
        let target = format!("/{}", attack.replace(' ', "${IFS}"));
        post(&listener, "POST", &target, &header, b"x").await;
        id += 1;
        let ran = run(stubs.path(), &copied(&listener, id, "curl").await);
        let has = |wanted: &str| ran.arguments.iter().any(|given| given == wanted);
        assert!(has(&format!("X-Attack: {attack}")), "{:?}", ran.arguments);
        assert!(has(&format!("http://polis{target}")), "{:?}", ran.arguments);
    }
    // All of these are methods by the letter of HTTP.
    for method in [
        "`touch`",
        "a|touch|owned",
        "a&touch&b",
        "a'b",
        "$a",
        "*",
        "!!",
        "#",
    ] {
        post(&listener, method, "/", "", b"x").await;
        id += 1;
        let ran = run(stubs.path(), &copied(&listener, id, "curl").await);
        assert!(
            ran.arguments.iter().any(|given| given == method),
            "{:?}",
            ran.arguments
        );
    }
}

#[tokio::test]
async fn a_copy_hides_credentials_until_they_are_asked_for() {
    let listener = Listener::start().await.unwrap();
    post(
        &listener,
        "POST",
        "/",
        "Authorization: Bearer planted\r\n",
        b"x",
    )
    .await;
    for form in ["curl", "raw"] {
        let hidden = copied_any(&listener, form, "").await;
        assert!(hidden.contains("Bearer [redacted"), "{hidden}");
        assert!(!hidden.contains("planted"), "{hidden}");
        let shown = copied_any(&listener, form, "?show_secrets=true").await;
        assert!(shown.contains("Bearer planted"), "{shown}");
    }
    let (status, _) = get(&listener, "/requests/1/as/httpie").await;
    assert_eq!(status, 404);
}

async fn copied_any(listener: &Listener, form: &str, query: &str) -> String {
    let (status, text) = get(listener, &format!("/requests/1/as/{form}{query}")).await;
    assert_eq!(status, 200, "{text}");
    text
}

#[tokio::test]
async fn the_copy_as_raw_is_the_request_byte_for_byte() {
    let listener = Listener::start().await.unwrap();
    let request = b"PUT /a?b=%20c HTTP/1.1\r\nhOsT: polis\r\nX-Twice: 1\r\nx-twice:  2\r\nConnection: close\r\nContent-Length: 5\r\n\r\n\0\xff\r\n'";
    say(&listener, request).await;
    let url = format!("{}/requests/1/as/raw", listener.page_url());
    let answer = crate::scene::client().get(url).send().await.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(&answer.bytes().await.unwrap()[..], request);
}
