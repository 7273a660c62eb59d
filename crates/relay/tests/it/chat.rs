//! Messages to chats: what each service documents, once, whatever happens.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use webhooks_core::{
    DeliveryState, EndReason,
    testing::{Answer, Receiver},
};

use crate::rig::Rig;

fn rule(kind: &str, url: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "tell"
        source = "numbers"
        event = "random_number:*"
        [[rule.action]]
        kind = "{kind}"
        url = "{url}"
        text = "The number {{{{ data }}}}"
        "#
    )
}

/// What came, as JSON; each request is what the service documents.
fn messages(chat: &Receiver) -> Vec<Value> {
    let requests = chat.requests();
    let bodies = requests.iter().map(|request| {
        assert_eq!(request.header("content-type"), "application/json");
        request.json()
    });
    bodies.collect()
}

#[tokio::test]
async fn each_service_gets_the_message_that_it_documents() {
    let slack = json!({"text": "The number 863", "mrkdwn": false});
    let mattermost = json!({"text": "The number 863"});
    let discord = json!({"content": "The number 863", "allowed_mentions": {"parse": []}});
    for (kind, message, target) in [
        ("slack", slack, "/services/T0/B0/x"),
        ("mattermost", mattermost, "/services/T0/B0/x"),
        ("discord", discord, "/services/T0/B0/x?wait=true"),
    ] {
        let chat = Receiver::start().await.unwrap();
        chat.respond([Answer::status(200).body("ok")]);
        let url = format!("http://{}/services/T0/B0/x", chat.address());
        let rig = Rig::new(&rule(kind, &url)).await;
        rig.draw("first", 863).await;
        assert_eq!(messages(&chat), [message], "{kind}");
        assert_eq!(chat.requests()[0].target, target);
        let answers = rig.answers("tell", &format!("1-{kind}")).await;
        assert!(answers[0].ends_with("answered 200: ok"), "{answers:?}");
    }
}

#[tokio::test]
async fn a_thousand_copies_of_one_event_are_one_message() {
    let chat = Receiver::start().await.unwrap();
    let rig = Rig::in_real_time(&rule("slack", &chat.url())).await;
    let copies = (0..1_000).map(|_| rig.send("one", "random_number:generate", 7));
    let mut waiting: Vec<_> = copies.collect();
    while !waiting.is_empty() {
        let some = waiting.split_off(waiting.len().saturating_sub(50));
        let statuses = join_all(some).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    rig.settle().await;
    assert_eq!(messages(&chat).len(), 1);
}

#[tokio::test]
async fn a_service_that_answers_429_is_left_alone_for_as_long_as_it_asks() {
    let chat = Receiver::start().await.unwrap();
    chat.respond([
        Answer::status(429).header("retry-after", "30"),
        Answer::status(200).body("ok"),
    ]);
    let rig = Rig::new(&rule("slack", &chat.url())).await;
    rig.draw("first", 1).await;
    rig.draw("second", 2).await;
    assert_eq!(messages(&chat).len(), 1, "the second waits, too");
    rig.pass(Duration::from_secs(29)).await;
    assert_eq!(messages(&chat).len(), 1);
    for _ in 0..20 {
        rig.pass(Duration::from_secs(2)).await;
    }
    let mut texts: Vec<String> = messages(&chat)[1..]
        .iter()
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect();
    texts.sort();
    assert_eq!(texts, ["The number 1", "The number 2"]);
}

#[tokio::test]
async fn a_message_that_may_have_arrived_says_so_when_it_is_sent_again() {
    let chat = Receiver::start().await.unwrap();
    chat.respond([Answer::status(500), Answer::status(200)]);
    let rig = Rig::new(&rule("mattermost", &chat.url())).await;
    rig.draw("first", 863).await;
    rig.pass(Duration::from_secs(10)).await;
    let messages = messages(&chat);
    assert_eq!(messages[0]["text"], "The number 863");
    let again = messages[1]["text"].as_str().unwrap();
    assert!(again.contains("may be a repeat"), "{again}");
    let answers = rig.answers("tell", "1-mattermost").await;
    assert_eq!(
        answers[0],
        "Mattermost answered 500 (it may have been done)"
    );
}

#[tokio::test]
async fn a_message_that_certainly_did_not_arrive_is_no_repeat() {
    let chat = Receiver::start().await.unwrap();
    chat.respond([
        Answer::status(503),
        Answer::status(403),
        Answer::status(200),
    ]);
    let rig = Rig::new(&rule("slack", &chat.url())).await;
    rig.draw("first", 863).await;
    for _ in 0..3 {
        rig.pass(Duration::from_secs(400)).await;
    }
    let texts: Vec<Value> = messages(&chat)
        .into_iter()
        .map(|message| message["text"].clone())
        .collect();
    assert_eq!(
        texts,
        ["The number 863", "The number 863", "The number 863"]
    );
}

#[tokio::test]
async fn what_a_service_will_never_take_is_not_tried_again() {
    let chat = Receiver::start().await.unwrap();
    chat.respond([Answer::status(400).body("invalid_payload")]);
    let rig = Rig::new(&rule("slack", &chat.url())).await;
    rig.draw("first", 863).await;
    rig.pass(Duration::from_secs(3600)).await;
    assert_eq!(messages(&chat).len(), 1);
    let deliveries = rig.deliveries("tell", "1-slack").await;
    let state = &deliveries[0].state;
    let refused = DeliveryState::Ended {
        reason: EndReason::Canceled,
        at: match state {
            DeliveryState::Ended { at, .. } => *at,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(*state, refused);
    assert_eq!(
        rig.answers("tell", "1-slack").await,
        ["Slack answered 400: invalid_payload"]
    );
    assert!(rig.page_text().await.contains("refused"));
}

#[tokio::test]
async fn the_page_does_an_action_again() {
    let chat = Receiver::start().await.unwrap();
    let rig = Rig::new(&rule("slack", &chat.url())).await;
    rig.draw("first", 863).await;
    let page = rig.page_text().await;
    for part in [
        "random_number:generate",
        "863",
        "Do it again",
        "Slack answered 200",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let key = page
        .split("name=\"key\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let form = format!("source=numbers&key={key}&rule=tell&step=1-slack");
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let post = |form: String| {
        client
            .post(format!("http://{}/again", rig.page))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    };
    assert_eq!(post(form.clone()).send().await.unwrap().status(), 303);
    rig.pass(Duration::from_secs(2)).await;
    assert_eq!(messages(&chat).len(), 2);
    let foreign = post(form)
        .header("origin", "http://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    let unknown = post("source=numbers&key=x&rule=tell&step=9-slack".to_owned())
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn actions_come_one_after_the_other_and_copies_of_a_rule_apart() {
    let (first, second) = (
        Receiver::start().await.unwrap(),
        Receiver::start().await.unwrap(),
    );
    first.respond([500, 200]);
    let file = format!(
        r#"
        [[rule]]
        name = "both"
        source = "numbers"
        when = "data > 900"
        [[rule.action]]
        kind = "slack"
        url = "{}"
        text = "one"
        retry = ["7s"]
        [[rule.action]]
        kind = "discord"
        url = "{}"
        text = "two"
        [[rule]]
        name = "other"
        source = "numbers"
        event = "something_else"
        [[rule.action]]
        kind = "slack"
        url = "{}"
        text = "never"
        "#,
        first.url(),
        second.url(),
        second.url()
    );
    let rig = Rig::new(&file).await;
    rig.draw("low", 900).await;
    rig.draw("high", 901).await;
    assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
    let page = rig.page_text().await;
    assert!(page.contains("comes after the one before") && page.contains("no rule matches it"));
    rig.pass(Duration::from_secs(8)).await;
    assert_eq!((first.requests().len(), second.requests().len()), (2, 1));
}

#[tokio::test]
async fn what_is_owed_survives_a_restart_and_a_changed_file() {
    let chat = Receiver::start().await.unwrap();
    chat.respond([403, 200]);
    let rig = Rig::new(&rule("slack", &chat.url())).await;
    rig.draw("first", 863).await;
    let changed = rule("slack", &chat.url()).replace("The number", "Again the number");
    let rig = rig.restart_with(&changed).await;
    rig.pass(Duration::from_secs(60)).await;
    let texts: Vec<Value> = messages(&chat)
        .into_iter()
        .map(|message| message["text"].clone())
        .collect();
    assert_eq!(texts, ["The number 863", "Again the number 863"]);
    // What no rule wanted can be shown to the rules of today.
    assert_eq!(rig.send("other", "something_else", 1).await, 200);
    rig.settle().await;
    assert!(rig.page_text().await.contains("Look for rules again"));
    let rig = rig
        .restart_with(&changed.replace("random_number:*", "*"))
        .await;
    let page = rig.page_text().await;
    let form = page.split("Look for rules again").next().unwrap();
    let key = form.rsplit("name=\"key\" value=\"").next().unwrap();
    let key = key.split('"').next().unwrap();
    let again = reqwest::Client::new()
        .post(format!("http://{}/again", rig.page))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("source=numbers&key={key}"));
    assert_eq!(again.send().await.unwrap().status(), 200);
    rig.pass(Duration::from_secs(2)).await;
    assert_eq!(messages(&chat).len(), 3);
    // The step is gone with the rule.
    let rig = rig.restart_with(&changed.replace("tell", "say")).await;
    let gone = rig
        .relay
        .webhooks()
        .endpoints("rule/tell")
        .list()
        .await
        .unwrap();
    assert!(gone.is_empty());
}

#[tokio::test]
async fn only_signed_webhooks_are_taken() {
    let chat = Receiver::start().await.unwrap();
    let rig = Rig::new(&rule("slack", &chat.url())).await;
    let body = r#"{"id":"x","event":"random_number:generate","data":1}"#;
    assert_eq!(rig.post("numbers", body, &[]).await, 401);
    assert_eq!(rig.post("nowhere", body, &[]).await, 404);
    let large =
        json!({"id": "large", "event": "random_number:generate", "data": "x".repeat(300_000)});
    assert_eq!(
        rig.post_signed("numbers", "large", &large.to_string())
            .await,
        413
    );
    assert_eq!(rig.post_signed("numbers", "x", "not json").await, 422);
    // The engine's own addresses are on the page's port, and are signed, too.
    let unsigned = reqwest::Client::new()
        .post(format!("http://{}/actions/tell/1-slack", rig.page))
        .header("content-type", "application/json")
        .body(body);
    assert_eq!(unsigned.send().await.unwrap().status(), 401);
    // The same id with other content is another's word.
    assert_eq!(rig.send("same", "random_number:generate", 1).await, 200);
    assert_eq!(rig.send("same", "random_number:generate", 2).await, 409);
    rig.settle().await;
    assert_eq!(messages(&chat).len(), 1);
}
