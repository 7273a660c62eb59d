//! Values of an event stay values: no markup, no mention, no line of a header.

use serde_json::{Value, json};
use webhooks_core::testing::Receiver;

use crate::rig::Rig;

/// What somebody may write into the title of an issue.
const TITLES: [&str; 8] = [
    "<!channel> <@U123> <#C123|general> <https://evil.example|Sign in>",
    "@channel @here @everyone @all @alice <@123> <@&456> <#789>",
    "[Sign in](https://evil.example) ![x](https://evil.example/x.png)",
    "*bold* _it_ ~gone~ `code` ||spoiler|| # heading",
    "&lt;!channel&gt; &amp;",
    "line\r\nBcc: evil@example.com\u{2028}next\u{0}\u{1b}[31m",
    "{{ data }} {% raw %} ${HOME}",
    "',); drop table issues; --",
];

async fn rendered(kind: &str, template: &str) -> Vec<Value> {
    let chat = Receiver::start().await.unwrap();
    let file = format!(
        r#"
        [[rule]]
        name = "issues"
        source = "github"
        event = ["issues", "pull_request"]
        [[rule.action]]
        kind = "{kind}"
        url = "{}"
        text = '{template}'
        per_second = 1000
        "#,
        chat.url()
    );
    let rig = Rig::in_real_time(&file).await;
    for (number, title) in TITLES.iter().enumerate() {
        let issue = json!({"action": "opened", "issue": {"number": number, "title": title}});
        assert_eq!(rig.github("issues", &issue).await, 200);
    }
    let mut bodies: Vec<Value> = chat
        .wait_for(TITLES.len())
        .await
        .iter()
        .map(|request| request.json())
        .collect();
    assert_eq!(bodies.len(), TITLES.len());
    bodies.sort_by_key(ToString::to_string);
    bodies
}

fn texts(bodies: &[Value], field: &str) -> String {
    let texts = bodies.iter().map(|body| body[field].as_str().unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn slack_sees_no_mention_link_or_formatting_in_a_value() {
    for template in [
        "{{ data.issue.title }}",
        "{{ data.issue.title | upper | lower }}",
        "{{ data | tojson }}",
    ] {
        let bodies = rendered("slack", template).await;
        let text = texts(&bodies, "text");
        assert!(!text.contains(['<', '>']), "{text}");
        assert!(
            text.replace("&amp;", "")
                .replace("&lt;", "")
                .replace("&gt;", "")
                .find('&')
                .is_none(),
            "{text}"
        );
        assert!(bodies.iter().all(|body| body["mrkdwn"] == false));
        assert!(
            !text.contains(['\u{0}', '\u{1b}', '\r', '\u{2028}']),
            "{text:?}"
        );
    }
}

#[tokio::test]
async fn markdown_and_mentions_in_a_value_are_text() {
    for (kind, field) in [("mattermost", "text"), ("discord", "content")] {
        for template in [
            "{{ data.issue.title }}",
            "{% for word in [data.issue.title] %}{{ word }}{% endfor %}",
        ] {
            let bodies = rendered(kind, template).await;
            let text = texts(&bodies, field);
            let characters: Vec<char> = text.chars().collect();
            for (place, c) in characters.iter().enumerate() {
                let before = place.checked_sub(1).map(|place| characters[place]);
                match c {
                    '@' => assert_eq!(characters.get(place + 1), Some(&'\u{200b}'), "{text}"),
                    '*' | '_' | '~' | '`' | '[' | ']' | '(' | '|' => {
                        assert_eq!(before, Some('\\'), "{c} in {text}");
                    }
                    '<' => assert!(kind == "discord" && before == Some('\\'), "{text}"),
                    _ => {}
                }
            }
        }
    }
}

#[tokio::test]
async fn a_link_stays_a_link_and_nothing_more() {
    for (link, shown) in [
        (
            "https://github.com/octo-org/a_b/pull/8#issue-1",
            "https://github.com/octo-org/a_b/pull/8#issue-1",
        ),
        (
            "https://evil.example/)[x](y)*@channel",
            "https://evil.example/%29%5Bx%5D%28y%29%2A%40channel",
        ),
        (
            "https://evil.example/ @channel",
            "https://evil.example/ @\u{200b}channel",
        ),
        ("javascript:alert(1)", "javascript:alert\\(1\\)"),
    ] {
        for kind in ["mattermost", "discord"] {
            let chat = Receiver::start().await.unwrap();
            let file = format!(
                r#"
                [[rule]]
                name = "link"
                source = "numbers"
                [[rule.action]]
                kind = "{kind}"
                url = "{}"
                text = "{{{{ data }}}}"
                "#,
                chat.url()
            );
            let rig = Rig::new(&file).await;
            assert_eq!(rig.send("first", "link", link).await, 200);
            rig.settle().await;
            let body = chat.requests()[0].json();
            let text = body.get("text").or(body.get("content")).unwrap();
            assert_eq!(text, shown, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_template_that_says_safe_or_turns_escaping_off_is_escaped_all_the_same() {
    let bodies = rendered(
        "slack",
        "{% autoescape false %}{{ data.issue.title }}{% endautoescape %}",
    )
    .await;
    assert!(!texts(&bodies, "text").contains(['<', '>']));
}

#[tokio::test]
async fn a_push_message_and_a_call_are_json_whatever_the_values_are() {
    let peer = Receiver::start().await.unwrap();
    let file = format!(
        r#"
        [[rule]]
        name = "push"
        source = "github"
        [[rule.action]]
        kind = "ntfy"
        url = "{0}"
        topic = "issues"
        title = "{{{{ data.issue.title }}}}"
        text = "{{{{ data.issue.title }}}}"
        tags = ["warning"]
        token = "tk_123"
        [[rule.action]]
        kind = "call"
        url = "{0}"
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        headers = {{ X-Gotify-Key = "key" }}
        [rule.action.body]
        title = "Issue {{{{ data.issue.number }}}}"
        number = "{{{{ data.issue.number }}}}"
        nested = [{{ text = "{{{{ data.issue.title }}}}" }}, 5, true, 1.5]
        "#,
        peer.url()
    );
    let rig = Rig::in_real_time(&file).await;
    let title = TITLES[5];
    let issue = json!({"issue": {"number": 5, "title": format!("{title}\"}}")}});
    rig.github("issues", &issue).await;
    let requests = peer.wait_for(2).await;
    let plain = "line\nBcc: evil@example.comnext[31m\"}";
    assert_eq!(
        requests[0].json(),
        json!({
            "topic": "issues",
            "title": "line  Bcc: evil@example.com next  [31m\"}",
            "message": plain,
            "priority": 3,
            "tags": ["warning"],
        })
    );
    assert_eq!(requests[0].header("authorization"), "Bearer tk_123");
    assert_eq!(
        requests[1].json(),
        json!({"title": "Issue 5", "number": 5, "nested": [{"text": format!("{title}\"}}")}, 5, true, 1.5]})
    );
    assert_eq!(requests[1].header("x-gotify-key"), "key");
    // As its official library verifies it.
    let webhook = standardwebhooks::Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    webhook
        .verify(&requests[1].body, &requests[1].headers)
        .unwrap();
}
