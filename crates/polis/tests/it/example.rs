//! The documented `polis.toml` is one that polis reads.

use std::{path::Path, process::Command};

use clap::Parser;
use polis::{Flags, Settings, Surroundings};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn printed() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_polis"))
        .arg("config")
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn read(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("polis.toml");
    std::fs::write(&path, text).unwrap();
    let around = Surroundings::of(
        &[
            ("POLIS_SECRETS", SECRET),
            ("ACME_SECRET", "one"),
            ("ACME_SECRET_1", "two"),
        ],
        &[],
    );
    let line = Line::parse_from(["polis", "--config", path.to_str().unwrap()]);
    Settings::read(line.flags, &around).map_err(|error| error.to_string())
}

#[test]
fn the_documented_file_is_read_as_it_is_explained() {
    let settings = read(&printed()).unwrap();
    assert_eq!((settings.port, settings.ui_port), (9000, Some(9001)));
    assert_eq!(settings.keep.requests, 5000);
    assert_eq!(settings.keep.bytes, 32_000_000);
    assert!(settings.default_scope.verification.is_some());
    assert_eq!(settings.default_scope.rules.specs().len(), 3);
    let acme = &settings.scopes["acme"];
    let respond: Vec<_> = acme
        .rules
        .specs()
        .into_iter()
        .map(|rule| rule.respond.unwrap().to_string())
        .collect();
    assert_eq!(respond, ["204", "503x1,200"]);
    assert_eq!(acme.capacity, Some(500));
    assert_eq!(acme.verification.as_ref().unwrap().secrets.len(), 2);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn the_readme_has_the_same_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    assert!(readme.contains(&format!("```toml\n{}```", printed())));
}

#[test]
fn a_scopes_own_answer_is_checked_like_a_rule() {
    let told = read("[scopes.acme]\nrespond = \"99\"\n").unwrap_err();
    assert!(
        told.contains("scopes.acme in") && told.contains(": respond: \"99\""),
        "{told}"
    );
}
