//! The instructions that signing, storing and building a request take, as callgrind counts them:
//! the same on a busy machine as on a quiet one. They are what `tests/files/instructions.txt` says;
//! after a change that is meant to move them, or with another compiler, renew it:
//!
//! ```sh
//! INSTRUCTIONS=renew cargo test -p bench --test it -- --ignored instructions
//! ```

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Of what was recorded, more or less.
const DEVIATION_MAX: f64 = 0.05;
/// What is counted, in which function, and how often it is done.
const COUNTED: [(&str, &str, u32); 3] = [
    ("sign", "webhooks_core::signature::sign", 200),
    (
        "store",
        "webhooks_core::store::sqlite::writer::Writer::write",
        500,
    ),
    ("request", "webhooks_core::sender::request::build", 200),
];

/// Compiled as `scripts/bench` compiles it, but with the names of its functions.
fn built() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let build = Command::new(env!("CARGO"))
        .args(["rustc", "--release", "--locked", "-p", "bench"])
        .args(["--bin", "instructions"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(["--", "-C", "strip=none"])
        .current_dir(workspace)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{errors}");
    let messages = String::from_utf8(build.stdout).unwrap();
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    executable.expect("cargo names the program that it built")
}

/// Instructions each, of the function and all that it calls.
fn count(program: &Path, (what, function, times): (&str, &str, u32)) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=callgrind.out"])
        .arg(format!("--toggle-collect={function}"))
        .arg(program)
        .args([what, &times.to_string()])
        .current_dir(folder.path())
        .output()
        .expect("valgrind runs; scripts/test installs it");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, collected) = collected.expect("callgrind says what it collected");
    let collected: u64 = collected.trim().parse().unwrap();
    assert!(collected > 0, "{function} was not called by its name");
    collected / u64::from(times)
}

/// What is on record was counted on this system; another one has other instructions.
const IS_ON_RECORD: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

#[test]
#[ignore = "builds in release mode, which takes minutes; scripts/test --all runs it"]
fn signing_storing_and_building_a_request_take_the_instructions_on_record() {
    if !IS_ON_RECORD && std::env::var_os("CI").is_none() {
        println!("skipped: instructions are on record for Linux on x86-64 only");
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/instructions.txt");
    let program = built();
    let counted = COUNTED.map(|(what, function, times)| {
        let instructions = count(&program, (what, function, times));
        (what, instructions)
    });
    if std::env::var_os("INSTRUCTIONS").is_some_and(|wish| wish == "renew") {
        let mut text = String::new();
        for (what, instructions) in counted {
            writeln!(text, "{what} {instructions}").unwrap();
        }
        fs::write(file, text).unwrap();
        return;
    }
    let recorded = fs::read_to_string(file).unwrap();
    let mut wrong = String::new();
    for (what, instructions) in counted {
        let of_this = recorded
            .lines()
            .find_map(|line| line.strip_prefix(what)?.trim().parse::<f64>().ok())
            .expect("each has a line");
        let deviation = instructions as f64 / of_this - 1.0;
        if deviation.abs() > DEVIATION_MAX {
            let percent = deviation * 100.0;
            writeln!(
                wrong,
                "{what}: {instructions} instructions, {percent:+.1} % of the {of_this} on record"
            )
            .unwrap();
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}if that is meant, or the compiler another one: INSTRUCTIONS=renew cargo test -p bench --test it -- --ignored instructions"
    );
}
