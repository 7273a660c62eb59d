//! Proxies that the environment names.

use std::process::Stdio;

use webhooks_core::AddressPolicy;

use crate::{
    address::{
        sender::{Names, Outcome, Sender},
        sentinel::{NO_CONTENT, Sentinel},
    },
    each_store::Store,
};

/// Tells the child where its database is; without it the child does nothing.
const DATABASE: &str = "DATABASE_BESIDE_A_PROXY";
const CHILD: &str = "address::environment::child_with_a_proxy_in_its_environment";

async fn a_proxy_of_the_environment_is_never_asked(store: Store) {
    let database = store.database();
    let proxy = Sentinel::start(NO_CONTENT).await;
    let address = format!("http://127.0.0.1:{}", proxy.port);
    // A process of its own, because a test may not change the environment of the others.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args([CHILD, "--exact", "--ignored", "--nocapture"]);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(variable, &address);
    }
    child.env(DATABASE, &database.address);
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
    let Ok(address) = std::env::var(DATABASE) else {
        return;
    };
    let names = Names::new(&[("proxied.example", &["127.0.0.1"])]);
    let sender = Sender::at(&address, AddressPolicy::default(), names).await;
    let outcome = sender.attempt("http://proxied.example/").await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    // The control: an ordinary client in the same environment asks the proxy.
    let answer = reqwest::get("http://proxied.example/").await.unwrap();
    println!("unguarded: {}", answer.status().as_u16());
}

for_each_store!(a_proxy_of_the_environment_is_never_asked);
