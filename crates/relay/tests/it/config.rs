//! The file: everything that is wrong, with its line and the nearest right name.

use std::path::Path;

use relay::{Config, Trial, preview};
use serde_json::json;

fn read(text: &str) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("relay.toml");
    std::fs::write(&file, text).unwrap();
    let variables = |name: &str| {
        (name == "SLACK_URL").then(|| "https://hooks.slack.com/services/T/B/secret".to_owned())
    };
    Config::read(&file, variables).map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}:", file.display()), "")
    })
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_line() {
    let wrong = read(
        r#"listen = "9050"
page = "0.0.0.0:9051"
colour = "blue"

[source.github]
verify = "githup"
secrets = "x"

[source.numbers]
verify = "standard"
secret = "whsec_short"
path = "no slash"

[[rule]]
name = "issues"
source = "gihub"
event = "is*ues"
when = "data.number >"

[[rule.action]]
kind = "slak"
url = "${SLACK_URL}"

[[rule.action]]
kind = "slack"
url = "ftp://x"
txt = "hello"

[[rule.action]]
kind = "discord"
url = "${NOT_SET}"
text = "{{ dat.number }} {{ receved_at }}"
retry = ["soon"]
per_second = 0

[[rule]]
name = "issues"
source = "github"
[[rule.action]]
kind = "ntfy"
topic = "x"
title = "{{ data.number | upcase }}"
text = "{% if data is evn %}{% endif %}"
"#,
    )
    .unwrap_err();
    let expected = [
        r#"1: listen is "9050"; it must be an IP address and a port, such as 127.0.0.1:9050"#,
        "2: page is 0.0.0.0:9051; it must be a loopback address, because anyone who reaches it can use it",
        r#"3: unknown key "colour"; there is allow_networks, listen, page, rule, smtp, source, store, twilio"#,
        "5: secret is missing here: what the provider signs with",
        r#"6: verify is "githup"; did you mean "github"?"#,
        r#"7: unknown key "secrets"; did you mean "secret"?"#,
        "11: secret: ",
        r#"12: path "no slash" is invalid: begin with / and use letters, digits and / - _ ."#,
        r#"16: there is no source "gihub"; did you mean "github"?"#,
        r#"17: event "is*ues": a star is allowed only at the end"#,
        "18: syntax error: ",
        r#"21: there is no kind of action "slak"; did you mean "slack"?"#,
        "24: text is missing here",
        "26: url is not an address that begins with https:// or http://",
        r#"27: unknown key "txt"; did you mean "text"?"#,
        "31: the environment variable NOT_SET is not set",
        r#"32: there is no value "dat"; did you mean "data"?"#,
        r#"32: there is no value "receved_at"; did you mean "received_at"?"#,
        r#"33: retry: "soon" is not a time; write "5s", "10m", "2h""#,
        "34: per_second must be a whole number from 1 to 1000",
        r#"37: there are two rules "issues""#,
        "42: unknown filter: filter upcase is unknown",
        "43: unknown test: test evn is unknown",
    ];
    let lines: Vec<&str> = wrong.lines().collect();
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(expected),
            "{line}\n  is not\n{expected}\n{wrong}"
        );
    }
    assert_eq!(lines.len(), expected.len(), "{wrong}");
    assert!(
        !wrong.contains("whsec_short"),
        "no secret is shown: {wrong}"
    );
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    let wrong = read("listen = \n[source").unwrap_err();
    assert!(
        wrong.starts_with("1: ") && wrong.contains("\n2: "),
        "{wrong}"
    );
    let missing = Config::read(Path::new("/nowhere/relay.toml"), |_| None).unwrap_err();
    let text = missing.to_string();
    assert!(
        text.starts_with("/nowhere/relay.toml can't be read: ") && text.ends_with("--config"),
        "{text}"
    );
    let empty = read("").unwrap_err();
    assert_eq!(empty.lines().count(), 2, "{empty}");
    let idle = read("[[rule]]\nname = \"x\"\nsource = \"y\"").unwrap_err();
    assert!(
        idle.contains("1: this rule does nothing: add [[rule.action]] with kind"),
        "{idle}"
    );
}

#[test]
fn a_rule_is_tried_without_sending_anything() {
    let config = read(
        r#"
        [source.github]
        verify = "github"
        secret = "It's a Secret to Everybody"
        [[rule]]
        name = "issues"
        source = "github"
        event = "issues"
        when = 'data.action == "opened"'
        [[rule.action]]
        kind = "slack"
        url = "${SLACK_URL}"
        text = "{{ data.issue.title }}"
        "#,
    )
    .unwrap();
    let body = json!({"action": "opened", "issue": {"title": "<It> breaks"}});
    let tried = |name: &str, body: &serde_json::Value| {
        let trial = Trial {
            body: body.clone(),
            event_type: None,
            fetched: Vec::new(),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        preview(&config, name, trial).map_err(|error| error.to_string())
    };
    let text = tried("issues", &body).unwrap();
    assert_eq!(
        text,
        "issues matches this event of type issues\n\n1-slack:\nPOST https://hooks.slack.com/…\n{\n  \"mrkdwn\": false,\n  \"text\": \"&lt;It&gt; breaks\"\n}\n"
    );
    let closed = json!({"action": "closed"});
    assert_eq!(
        tried("issues", &closed).unwrap(),
        "issues does not match this event of type issues\n"
    );
    let unknown = tried("isues", &body).unwrap_err();
    assert_eq!(
        unknown,
        "there is no rule \"isues\"; did you mean \"issues\"?"
    );
    let lacking = tried("issues", &json!({"action": "opened"})).unwrap_err();
    assert!(lacking.contains("\n1-slack: undefined value"), "{lacking}");
}

#[test]
fn every_file_of_the_readme_is_right() {
    let readme =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let mut blocks = readme.split("```toml\n").skip(1).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        let text = block.split("```").next().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("relay.toml");
        std::fs::write(&file, text).unwrap();
        let variables = |name: &str| {
            let value = match name {
                "RELAY_SECRET" | "CALL_SECRET" => crate::rig::SECRET,
                "SMTP_URL" => "smtps://user:password@mail.example.com",
                "DATABASE_URL" => "postgres://user:password@db.example.com/app",
                "TWILIO_SID" => "AC00000000000000000000000000000000",
                name if name.ends_with("_URL") => "https://example.com/services/x",
                _ => "something-long-enough",
            };
            Some(value.to_owned())
        };
        if let Err(error) = Config::read(&file, variables) {
            panic!("{error}\n{text}");
        }
    }
}
