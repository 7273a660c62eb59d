//! Proxies that the environment names.

use std::process::Stdio;

use webhooks_core::AddressPolicy;

use crate::address::{
    sender::{Names, Outcome, Sender},
    sentinel::{NO_CONTENT, Sentinel},
};

const CHILD: &str = "address::environment::child_with_a_proxy_in_its_environment";

#[tokio::test]
async fn a_proxy_of_the_environment_is_never_asked() {
    let proxy = Sentinel::start(NO_CONTENT).await;
    let address = format!("http://127.0.0.1:{}", proxy.port);
    // A process of its own, because a test may not change the environment of the others.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([CHILD, "--exact", "--ignored", "--nocapture"]);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(variable, &address);
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    // Under CGI, clients ignore HTTP_PROXY; this is not CGI.
    child.env_remove("REQUEST_METHOD");
    child.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || child.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    assert!(text.contains("unguarded: 204"), "{text}");
    // One visit: the control's.
    assert_eq!(proxy.visits(), 1);
}

#[tokio::test]
#[ignore = "run by the test above, with proxies in its environment"]
async fn child_with_a_proxy_in_its_environment() {
    let names = Names::new(&[("proxied.example", &["127.0.0.1"])]);
    let sender = Sender::new(AddressPolicy::default(), names).await;
    let outcome = sender.attempt("http://proxied.example/").await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    // The control: an ordinary client in the same environment asks the proxy.
    let answer = reqwest::get("http://proxied.example/").await.unwrap();
    println!("unguarded: {}", answer.status().as_u16());
}
