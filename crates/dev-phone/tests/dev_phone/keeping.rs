//! Keeping texts across a restart, when told to.

use std::path::{Path, PathBuf};

use dev_phone::{Config, KeepError, Phone, StartError, Status};

use crate::desk::{Desk, TO, messages};

fn desk(file: &Path) -> Desk {
    let file = file.to_owned();
    Desk::with(|config| config.keep = Some(file))
}

fn refusal(file: &Path) -> KeepError {
    let config = Config {
        keep: Some(file.to_owned()),
        ..Config::default()
    };
    match Phone::new(config) {
        Err(StartError::Keep(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("texts.jsonl");
    (directory, file)
}

#[tokio::test]
async fn texts_come_back_as_they_were_and_deleted_ones_do_not() {
    let (_directory, file) = place();
    let first = desk(&file);
    first.deliver("one").await;
    let gone = first.deliver("two").await;
    first.phone.reply("three").await.unwrap();
    first
        .call("DELETE", &messages(&format!("/{gone}.json")), &[])
        .await;
    let before = serde_json::to_string(&first.phone.messages()).unwrap();
    first.phone.shutdown(crate::desk::LIMIT).await;
    drop(first);
    let second = desk(&file);
    assert_eq!(
        serde_json::to_string(&second.phone.messages()).unwrap(),
        before
    );
    assert_eq!(second.phone.messages().len(), 2);
}

#[tokio::test]
async fn nothing_of_a_redacted_or_deleted_text_stays_in_the_file() {
    let (_directory, file) = place();
    let desk = desk(&file);
    let redacted = desk.deliver("planted-one").await;
    let deleted = desk.deliver("planted-two").await;
    let kept = || std::fs::read_to_string(&file).unwrap();
    assert!(kept().contains("planted-one") && kept().contains("planted-two"));
    let path = |sid: &str| messages(&format!("/{sid}.json"));
    desk.call("POST", &path(&redacted), &[("Body", "")]).await;
    desk.call("DELETE", &path(&deleted), &[]).await;
    assert!(!kept().contains("planted"), "{}", kept());
    assert!(kept().contains(&redacted));
}

#[tokio::test]
async fn a_text_that_was_under_way_goes_on() {
    let (_directory, file) = place();
    let first = Desk::with(|config| {
        config.keep = Some(file.clone());
        config.pace = dev_phone::Pace::HUMAN;
    });
    first
        .take(&[("To", TO), ("From", crate::desk::FROM), ("Body", "x")])
        .await;
    first.phone.shutdown(crate::desk::LIMIT).await;
    assert_eq!(first.phone.messages()[0].status, Status::Queued);
    drop(first);
    let second = desk(&file);
    second
        .until(|messages| messages[0].status == Status::Delivered)
        .await;
}

#[tokio::test]
async fn a_line_cut_short_is_left_out_and_the_next_start_is_whole() {
    let (_directory, file) = place();
    let first = desk(&file);
    first.deliver("whole").await;
    drop(first);
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"serial\":9,\"si");
    std::fs::write(&file, text).unwrap();
    for _ in 0..2 {
        let again = desk(&file);
        let texts = again.phone.messages();
        assert_eq!((texts.len(), texts[0].body.as_str()), (1, "whole"));
    }
}

#[tokio::test]
async fn the_file_stays_bounded_by_the_texts_it_holds() {
    let (_directory, file) = place();
    let desk = desk(&file);
    // Four lines each: queued, sending, sent, delivered.
    for _ in 0..dev_phone::TEXTS_KEPT * 2 + 10 {
        desk.deliver("x").await;
    }
    let lines = std::fs::read_to_string(&file).unwrap().lines().count();
    assert!(
        lines < dev_phone::TEXTS_KEPT * 8,
        "{lines} lines for {} texts",
        dev_phone::TEXTS_KEPT
    );
    assert_eq!(desk.phone.messages().len(), dev_phone::TEXTS_KEPT);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_left_untouched() {
    let (directory, file) = place();
    let foreign = "shopping list\nmilk\n";
    std::fs::write(&file, foreign).unwrap();
    let error = refusal(&file);
    assert!(matches!(error, KeepError::Line { line: 1, .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), foreign);
    let missing = directory.path().join("no/such/directory/texts");
    assert!(matches!(refusal(&missing), KeepError::File { .. }));
}

#[tokio::test]
async fn two_phones_cannot_share_a_file() {
    let (_directory, file) = place();
    let _first = desk(&file);
    assert!(matches!(refusal(&file), KeepError::InUse { .. }));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, file) = place();
    let _desk = desk(&file);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[cfg(unix)]
#[tokio::test]
async fn kept_texts_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (_directory, file) = place();
    let phone = desk(&file);
    phone.deliver("one").await;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
