//! The program itself: what it says before it starts.

use std::process::{Command, Output};

fn run(dot_env: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), dot_env).unwrap();
    Command::new(env!("CARGO_BIN_EXE_random-number-button"))
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn everything_wrong_is_said_at_once_with_exit_code_2() {
    let dot_env = "PORT=many\nPRESSES_PER_DAY=0\nWEBHOOK_SECRET='planted\n";
    let variables = [
        ("PRESSES_PER_DAY", "-1"),
        ("FRAME_ORIGIN", "nowhere"),
        ("RUST_LOG", "button=loud"),
    ];
    let output = run(dot_env, &[], &variables);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for wrong in [
        "random-number-button can't start: 5 settings are wrong",
        ".env: the line of WEBHOOK_SECRET cannot be read",
        "PORT is \"many\"",
        "PRESSES_PER_DAY is \"-1\"",
        "FRAME_ORIGIN is \"nowhere\"",
        "RUST_LOG is \"button=loud\"",
    ] {
        assert!(said.contains(wrong), "{wrong} is missing in {said}");
    }
    assert!(!said.contains("planted"), "{said}");
}

#[test]
fn the_licences_of_what_it_contains_are_printed() {
    let output = run("", &["--licences"], &[]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("== tokio ") && said.contains("Permission is hereby granted"));
}
