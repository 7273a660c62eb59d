//! What is fetched is handed on; where it is fetched from is guarded.

use std::time::Duration;

use webhooks_core::{
    DeliveryState,
    testing::{Answer, Receiver},
};

use crate::rig::Rig;

fn rules(url: &str, chat: &Receiver, allowed: &str) -> String {
    format!(
        r#"
        allow_networks = [{allowed}]
        [[rule]]
        name = "weather"
        source = "numbers"
        [[rule.action]]
        kind = "fetch"
        url = "{url}"
        as = "weather"
        cache = "1m"
        headers = {{ X-Api-Key = "key" }}
        [[rule.action]]
        kind = "slack"
        url = "{}"
        text = "It is {{{{ weather.current.temperature }}}} °C"
        per_second = 1000
        "#,
        chat.url()
    )
}

const LOOPBACK: &str = "\"127.0.0.0/8\"";

#[tokio::test]
async fn what_is_fetched_is_found_by_the_actions_after_it() {
    let (api, chat) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    api.respond([Answer::status(200).body(r#"{"current": {"temperature": 21.5}}"#)]);
    let url = format!(
        "{}v1?city={{{{ data }}}}",
        api.url().trim_end_matches('/').to_owned() + "/"
    );
    let rig = Rig::new(&rules(&url, &chat, LOOPBACK)).await;
    let send = async |id: &str, city: &str| {
        assert_eq!(rig.send(id, "draw", city).await, 200);
        rig.settle().await;
        // The chat takes so many a second.
        rig.pass(Duration::from_secs(1)).await;
    };
    send("first", "Köln & Bonn/../?x=#").await;
    assert_eq!(
        api.requests()[0].target,
        "/v1?city=K%C3%B6ln%20%26%20Bonn%2F..%2F%3Fx%3D%23"
    );
    assert_eq!(api.requests()[0].header("x-api-key"), "key");
    assert_eq!(chat.requests()[0].json()["text"], "It is 21.5 °C");
    // The same is not asked for again within a minute.
    send("second", "Köln & Bonn/../?x=#").await;
    assert_eq!((api.requests().len(), chat.requests().len()), (1, 2));
    rig.pass(Duration::from_secs(61)).await;
    send("third", "Köln & Bonn/../?x=#").await;
    assert_eq!((api.requests().len(), chat.requests().len()), (2, 3));
}

#[tokio::test]
async fn an_event_cannot_make_the_relay_look_into_its_own_network() {
    let (api, chat) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    let port = api.address().port();
    let rig = Rig::new(&rules("http://{{ data }}/", &chat, "")).await;
    for (number, host) in [
        "127.0.0.1",
        "localhost",
        "0x7f.1",
        "[::1]",
        "169.254.169.254",
        "10.0.0.1",
    ]
    .iter()
    .enumerate()
    {
        let id = format!("event-{number}");
        assert_eq!(rig.send(&id, "draw", format!("{host}:{port}")).await, 200);
        rig.settle().await;
    }
    assert!(api.requests().is_empty() && chat.requests().is_empty());
    // The port's colon is escaped, too: a value stays within its place in the URL.
    for delivery in rig.deliveries("weather", "1-fetch").await {
        assert!(
            matches!(delivery.state, DeliveryState::Ended { .. }),
            "{delivery:?}"
        );
    }
    let rig = rig
        .restart_with(&rules(&format!("http://{{{{ data }}}}:{port}/"), &chat, ""))
        .await;
    for (number, host) in ["127.0.0.1", "localhost", "0x7f.1", "169.254.169.254"]
        .iter()
        .enumerate()
    {
        let id = format!("host-{number}");
        assert_eq!(rig.send(&id, "draw", *host).await, 200);
        rig.settle().await;
    }
    assert!(api.requests().is_empty() && chat.requests().is_empty());
    let deliveries = rig.deliveries("weather", "1-fetch").await;
    let answer = String::from_utf8_lossy(&deliveries[3].attempts[0].body_head).into_owned();
    assert!(
        answer.contains("loopback") && answer.contains("allow_networks"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_name_that_stands_for_this_machine_is_not_dialled() {
    let (api, chat) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    let port = api.address().port();
    // The machine's own name: in /etc/hosts, and no loopback by its spelling.
    let name = std::fs::read_to_string("/etc/hostname").unwrap();
    let url = format!("http://{}:{port}/{{{{ data }}}}", name.trim());
    let rig = Rig::new(&rules(&url, &chat, "")).await;
    rig.draw("first", 1).await;
    let answers = rig.answers("weather", "1-fetch").await;
    assert!(answers[0].contains("could not fetch from"), "{answers:?}");
    assert!(api.requests().is_empty());
}

#[tokio::test]
async fn what_is_no_json_or_not_there_is_said() {
    let (api, chat) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    let long = format!("\"{}\"", "x".repeat(70_000));
    api.respond([
        Answer::status(200).body("<html>"),
        Answer::status(404).body("no such city"),
        Answer::status(200).body(&long),
        Answer::status(302).header("location", "http://127.0.0.1/"),
    ]);
    let rig = Rig::new(&rules(&api.url(), &chat, LOOPBACK)).await;
    let mut answers = Vec::new();
    for id in ["a", "b", "c", "d"] {
        rig.draw(id, 1).await;
        let deliveries = rig.deliveries("weather", "1-fetch").await;
        answers.push(String::from_utf8_lossy(&deliveries[0].attempts[0].body_head).into_owned());
    }
    let expected = [
        "did not answer with JSON",
        "answered 404: no such city",
        "more than 65536 bytes",
        "answered 302",
    ];
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.contains(expected), "{answer}");
    }
    assert!(chat.requests().is_empty());
}
