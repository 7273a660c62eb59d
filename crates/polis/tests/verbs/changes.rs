//! The verbs that change the running polis, and what is sent if no data is given.

use polis::{Listener, Preset, SigningSecret, Verdict, Verification};

use crate::run::{SECRET, polis};

async fn post(listener: &Listener, path: &str) -> u16 {
    let sent = reqwest::Client::new().post(listener.url() + path).body("x");
    sent.send().await.unwrap().status().as_u16()
}

fn paths(listener: &Listener) -> Vec<String> {
    let requests = listener.requests();
    requests.iter().map(|record| record.path()).collect()
}

#[tokio::test]
async fn respond_changes_the_answers_of_one_scope() {
    let listener = Listener::start().await.unwrap();
    let done = polis(&["respond", "500x1,201"]).at(&listener).end().await;
    assert_eq!(done.text(0), "");
    assert_eq!(post(&listener, "/").await, 500);
    assert_eq!(post(&listener, "/").await, 201);
    let wrong = polis(&["respond", "99"]).at(&listener).end().await;
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("\"99\" is not a status"), "{wrong:?}");
    let other = polis(&["respond", "204", "--scope", "nobody"]);
    let other = other.at(&listener).end().await;
    assert!(other.stderr.contains("there is no scope"), "{other:?}");
}

#[tokio::test]
async fn rm_removes_what_is_named_and_never_everything_by_accident() {
    let listener = Listener::start().await.unwrap();
    for path in ["/a", "/b", "/hooks/1", "/hooks/2", "/c"] {
        post(&listener, path).await;
    }
    let run = async |arguments: &[&str]| polis(arguments).at(&listener).end().await;
    assert_eq!(run(&["rm"]).await.code, 2);
    assert_eq!(run(&["rm", "1", "--path", "b"]).await.code, 2);
    assert_eq!(run(&["rm", "99"]).await.code, 2);
    assert_eq!(paths(&listener).len(), 5);
    assert_eq!(run(&["rm", "1", "2"]).await.code, 0);
    assert_eq!(run(&["rm", "--path", "hooks"]).await.code, 0);
    assert_eq!(paths(&listener), ["/c"]);
    assert_eq!(run(&["rm", "--path", "hooks"]).await.code, 1);
    assert_eq!(run(&["rm", "--all"]).await.code, 0);
    assert!(paths(&listener).is_empty());
}

#[tokio::test]
async fn import_takes_in_what_export_wrote_and_nothing_twice() {
    let listener = Listener::start().await.unwrap();
    post(&listener, "/kept").await;
    let log = polis(&["export"]).at(&listener).end().await;
    let other = Listener::start().await.unwrap();
    for expected in ["1 imported, 0 already", "0 imported, 1 already"] {
        let done = polis(&["import", "-"]).at(&other).stdin(&log.stdout);
        let done = done.end().await;
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.stderr.contains(expected), "{done:?}");
    }
    assert_eq!(paths(&other), ["/kept"]);
    let wrong = polis(&["import", "-"]).at(&other).stdin(b"nonsense");
    assert_eq!(wrong.end().await.code, 2);
}

#[tokio::test]
async fn wait_new_does_not_count_what_is_there_already() {
    let listener = Listener::start().await.unwrap();
    post(&listener, "/old").await;
    let wait = ["wait", "--new", "--timeout", "0.2s"];
    let waited = polis(&wait).at(&listener).end().await;
    assert_eq!(waited.text(1), "");
    assert_eq!(polis(&wait[..1]).at(&listener).end().await.code, 0);
}

#[tokio::test]
async fn without_data_an_event_like_the_providers_own_is_sent() {
    let listener = Listener::start().await.unwrap();
    let preset = Preset::GitHub;
    listener.verify(Verification {
        preset,
        secrets: vec![SigningSecret::new(SECRET, preset).unwrap()],
        old_secrets: Vec::new(),
        public_url: None,
        enforce: false,
    });
    let send = polis(&["send", &listener.url(), "--provider", "github"]);
    let sent = send.variable("POLIS_SECRETS", SECRET).end().await;
    assert_eq!(sent.code, 0, "{sent:?}");
    let requests = listener.wait_for(1).await.unwrap();
    assert_eq!(requests[0].event.as_deref(), Some("push"));
    let body = requests[0].json().unwrap();
    assert_eq!(
        body["repository"]["full_name"],
        "baxterthehacker/public-repo"
    );
    let verdict = requests[0].diagnosis.as_ref().map(|found| found.verdict);
    assert_eq!(verdict, Some(Verdict::Ok));
}
