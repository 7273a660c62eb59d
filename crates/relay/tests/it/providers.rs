//! Webhooks as the providers' own libraries sign them.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use webhooks_core::testing::Receiver;

use crate::{install, rig::Rig};

/// The newest when this was written.
const PACKAGES: [&str; 4] = [
    "stripe@18.5.0",
    "@octokit/webhooks-methods@6.0.0",
    "standardwebhooks@1.0.0",
    "twilio@5.9.0",
];

#[tokio::test]
async fn what_the_providers_libraries_sign_is_taken_and_named_as_they_name_it() {
    let chat = Receiver::start().await.unwrap();
    let mut rules = r#"
        [source.stripe]
        verify = "stripe"
        secret = "whsec_test_secret"
        [source.twilio]
        verify = "twilio"
        secret = "12345"
        public_url = "https://relay.example.com"
        "#
    .to_owned();
    for (source, value) in [
        ("stripe", "data.object"),
        ("github", "data.zen"),
        ("numbers", "data"),
        ("twilio", "data.Body"),
    ] {
        rules.push_str(&format!(
            r#"
            [[rule]]
            name = "{source}"
            source = "{source}"
            [[rule.action]]
            kind = "slack"
            url = "{}"
            per_second = 1000
            text = "{{{{ source }}}} {{{{ event }}}} {{{{ id }}}} {{{{ {value} }}}}"
            "#,
            chat.url()
        ));
    }
    let rig = Rig::in_real_time(&rules).await;
    let signed = signed();
    let client = reqwest::Client::new();
    for request in signed.as_array().unwrap() {
        let source = request["source"].as_str().unwrap();
        let mut post = client
            .post(format!("http://{}/{source}", rig.sources))
            .body(request["body"].as_str().unwrap().to_owned());
        for (name, value) in request["headers"].as_object().unwrap() {
            post = post.header(name, value.as_str().unwrap());
        }
        assert_eq!(post.send().await.unwrap().status(), 200, "{request}");
    }
    let mut texts: Vec<String> = chat
        .wait_for(4)
        .await
        .iter()
        .map(|request| request.json()["text"].as_str().unwrap().to_owned())
        .collect();
    texts.sort();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(
        texts[0].starts_with("github ping sha256:") && texts[0].ends_with(" Design for failure."),
        "{texts:?}"
    );
    assert_eq!(texts[1], "numbers random_number:generate msg_1 863");
    assert_eq!(texts[2], "stripe invoice.paid evt_1 event");
    assert!(
        texts[3].starts_with("twilio received sha256:") && texts[3].ends_with(" hello there"),
        "{texts:?}"
    );
}

fn signed() -> Value {
    let question = json!({"standard": crate::rig::SECRET});
    let mut child = Command::new("node")
        .arg(install::node("sign.mjs", &PACKAGES))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is needed for this test; install it with: apt-get install nodejs npm");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(question.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
