//! Lines in a file: each event once, also when a line was cut off.

use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::rig::Rig;

fn rules(more: &str) -> String {
    format!(
        r#"
        [[rule]]
        name = "keep"
        source = "numbers"
        [[rule.action]]
        kind = "file"
        path = "numbers.jsonl"
        {more}
        "#
    )
}

fn lines(rig: &Rig) -> Vec<Value> {
    let text = std::fs::read_to_string(rig.path("numbers.jsonl")).unwrap();
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn each_event_is_a_line() {
    let rig = Rig::new(&rules("")).await;
    rig.draw("first", 863).await;
    rig.draw("second", 901).await;
    rig.draw("second", 901).await;
    let lines = lines(&rig);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["id"], "first");
    assert_eq!(lines[1]["data"], 901);
    assert_eq!(lines[1]["event"], "random_number:generate");
    let mode = std::fs::metadata(rig.path("numbers.jsonl"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert!(lines[0]["received_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_line_can_be_made_of_templates_and_never_lacks_its_id() {
    let rig = Rig::new(&rules(
        "body = { n = \"{{ data }}\", words = \"it is {{ data }}\\n\" }",
    ))
    .await;
    rig.draw("first", 863).await;
    assert_eq!(
        lines(&rig),
        [json!({"id": "first", "n": 863, "words": "it is 863"})]
    );
}

#[tokio::test]
async fn a_line_that_somebody_cut_off_does_not_swallow_the_next() {
    let rig = Rig::new(&rules("")).await;
    std::fs::write(rig.path("numbers.jsonl"), "{\"id\":\"ha").unwrap();
    rig.draw("first", 863).await;
    let text = std::fs::read_to_string(rig.path("numbers.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "{\"id\":\"ha");
    assert!(serde_json::from_str::<Value>(lines[1]).is_ok(), "{text}");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_waited_for() {
    let rig = Rig::new(&rules("").replace("numbers.jsonl", "not/there/numbers.jsonl")).await;
    rig.draw("first", 863).await;
    std::fs::create_dir_all(rig.path("not/there")).unwrap();
    rig.pass(std::time::Duration::from_secs(60)).await;
    let answers = rig.answers("keep", "1-file").await;
    assert!(
        answers[0].contains("can't be opened") && answers[1].starts_with("appended to "),
        "{answers:?}"
    );
}

#[tokio::test]
async fn two_thousand_events_at_once_are_two_thousand_lines() {
    let rig = Rig::in_real_time(&rules("")).await;
    let sends = (0..2_000).map(|number| {
        let rig = &rig;
        async move { rig.send(&format!("event-{number}"), "draw", number).await }
    });
    let mut sends: Vec<_> = sends.collect();
    while !sends.is_empty() {
        // As many connections as a test may have open.
        let some = sends.split_off(sends.len().saturating_sub(100));
        let statuses = join_all(some).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    rig.settle().await;
    assert_eq!(lines(&rig).len(), 2_000);
}
