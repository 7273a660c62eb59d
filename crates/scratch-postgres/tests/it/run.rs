//! A command beside a server that is there for it alone.

use std::process::{Command, Output};

fn run(command: &[&str], shared: Option<&str>) -> Output {
    let mut run = Command::new(env!("CARGO_BIN_EXE_scratch-postgres"));
    run.args(command).env_remove("WEBHOOKS_TEST_POSTGRES");
    if let Some(shared) = shared {
        run.env("WEBHOOKS_TEST_POSTGRES", shared);
    }
    run.output().unwrap()
}

#[test]
fn it_is_told_the_address_and_its_code_is_passed_on() {
    let script = "psql -XAtc 'show max_connections' $WEBHOOKS_TEST_POSTGRES; exit 7";
    let ended = run(&["run", "sh", "-c", script], None);
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "400\n");
    assert_eq!(ended.status.code(), Some(7));
}

#[test]
fn a_command_that_is_ended_by_a_signal_failed() {
    let ended = run(
        &["run", "sh", "-c", "kill -9 $$"],
        Some("postgres://nowhere/x"),
    );
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_server_that_is_there_is_used() {
    let script = "echo $WEBHOOKS_TEST_POSTGRES";
    let ended = run(&["run", "sh", "-c", script], Some("postgres://nowhere/x"));
    assert_eq!(
        String::from_utf8_lossy(&ended.stdout),
        "postgres://nowhere/x\n"
    );
    assert!(ended.status.success());
}

#[test]
fn without_a_command_it_says_how_it_is_used() {
    for arguments in [&[] as &[&str], &["run"], &["walk", "x"]] {
        let ended = run(arguments, None);
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(said.contains("scratch-postgres run COMMAND"), "{said}");
        assert_eq!(ended.status.code(), Some(1));
    }
}

#[test]
fn programs_that_are_not_where_they_were_said_to_be_are_named() {
    let ended = Command::new(env!("CARGO_BIN_EXE_scratch-postgres"))
        .args(["run", "true"])
        .env_remove("WEBHOOKS_TEST_POSTGRES")
        .env("WEBHOOKS_POSTGRES_BIN", "/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("there is no /nowhere/initdb"), "{said}");
}
