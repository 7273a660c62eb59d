//! Flags override variables, which override `.env`, which overrides `polis.toml`; all errors are
//! reported at once.

use std::{io::Write, path::PathBuf};

use clap::Parser;
use polis::{Flags, Settings, Surroundings};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn flags(arguments: &[&str]) -> Flags {
    let all = std::iter::once(&"polis").chain(arguments);
    Line::try_parse_from(all).unwrap().flags
}

fn toml(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("polis.toml");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    (folder, path)
}

fn faults(arguments: &[&str], around: &Surroundings) -> String {
    Settings::read(flags(arguments), around)
        .unwrap_err()
        .to_string()
}

#[test]
fn each_layer_is_over_the_one_below() {
    let (_folder, path) = toml("port = 1\nui_port = 11\nhost = \"127.0.0.4\"\nkeep_requests = 7\n");
    let config = path.to_str().unwrap();
    let around = Surroundings::of(
        &[("PORT", "3"), ("HOST", "")],
        &[("PORT", "2"), ("UI_PORT", "12")],
    );
    let settings = Settings::read(flags(&["--config", config]), &around).unwrap();
    assert_eq!(settings.port, 3);
    assert_eq!(settings.ui_port, Some(12));
    assert_eq!(settings.host.to_string(), "127.0.0.4");
    assert_eq!(settings.keep.requests, 7);
    let settings = Settings::read(flags(&["--config", config, "--port", "4"]), &around).unwrap();
    assert_eq!(settings.port, 4);
    let usual = Settings::read(flags(&[]), &Surroundings::of(&[], &[])).unwrap();
    assert_eq!((usual.port, usual.ui_port), (9000, None));
    assert_eq!(usual.default_scope.rules.specs().len(), 1);
}

#[test]
fn every_wrong_value_is_named_at_once_with_its_source() {
    let around = Surroundings::of(
        &[("PORT", "port"), ("SECONDS_TO_SLEEP", "long")],
        &[("STATUS_CODE", "99")],
    );
    let told = faults(
        &[
            "--fail-rate",
            "2",
            "--redirect",
            "x",
            "--body-limit",
            "0",
            "--verify",
            "github",
            "--keep-bytes",
            "10XB",
        ],
        &around,
    );
    for part in [
        "PORT is \"port\"",
        "SECONDS_TO_SLEEP: \"long\"",
        "STATUS_CODE in .env: \"99\"",
        "--fail-rate is \"2\"",
        "--redirect: \"x\"",
        "--body-limit is \"0\"",
        "--keep-bytes is \"10XB\"",
        "--verify github needs a secret",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn a_file_with_rules_and_scopes_is_read_and_its_faults_are_named() {
    let (_folder, path) = toml(
        r#"
seconds_to_sleep = 0.5
[[rules]]
path = "/hooks/*"
event = "random_number:*"
respond = "500x2,200"
[scopes.acme]
capacity = 10
verify = "github"
secrets_variable = "ACME_SECRET"
[[scopes.acme.rules]]
respond = 201
"#,
    );
    let config = path.to_str().unwrap();
    let around = Surroundings::of(
        &[("ACME_SECRET", "a-secret"), ("ACME_SECRET_2", "another")],
        &[],
    );
    let settings = Settings::read(flags(&["--config", config]), &around).unwrap();
    assert_eq!(settings.default_scope.rules.specs().len(), 2);
    let acme = &settings.scopes["acme"];
    assert_eq!(acme.capacity, Some(10));
    assert_eq!(acme.verification.as_ref().unwrap().secrets.len(), 2);
    let told = faults(&["--config", config], &Surroundings::of(&[], &[]));
    assert!(told.contains("scopes.acme"), "{told}");

    let (_folder, path) = toml("prot = 1\n");
    let told = faults(
        &["--config", path.to_str().unwrap()],
        &Surroundings::of(&[], &[]),
    );
    assert!(told.contains("prot"), "{told}");
    let told = faults(
        &["--config", "/nowhere/polis.toml"],
        &Surroundings::of(&[], &[]),
    );
    assert!(told.contains("/nowhere/polis.toml"), "{told}");
}

#[test]
fn secrets_come_from_variables_and_files_with_old_ones_marked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    std::fs::write(
        &path,
        "# of production\nfirst-secret\n\nold earlier-secret\n",
    )
    .unwrap();
    let around = Surroundings::of(
        &[("POLIS_SECRETS", "second-secret")],
        &[("POLIS_OLD_SECRETS", "a b"), ("POLIS_OLD_SECRETS_1", "c")],
    );
    let settings = Settings::read(
        flags(&[
            "--verify",
            "stripe",
            "--secrets-file",
            path.to_str().unwrap(),
        ]),
        &around,
    )
    .unwrap();
    let verification = settings.default_scope.verification.unwrap();
    let shown: Vec<_> = verification
        .secrets
        .iter()
        .map(|secret| secret.expose())
        .collect();
    // A flag overrides a variable.
    assert_eq!(shown, ["first-secret", "second-secret"]);
    assert_eq!(verification.old_secrets.len(), 3);
}

/// GitHub's documented example, cut into five, accepted requests signed with the key `a`.
#[test]
fn a_secret_with_spaces_and_commas_is_one_secret_wherever_it_stands() {
    let github = "It's a Secret to Everybody";
    let (folder, path) =
        toml("[scopes.acme]\nverify = \"github\"\nsecrets_variable = \"ACME_SECRET\"\n");
    let file = folder.path().join("secrets.txt");
    std::fs::write(
        &file,
        "\u{feff}It's a Secret to Everybody\r\n\r\n# note\r\n\\# not a note\r\n\\old but new\r\nold  gone \r\nold \\ kept as it stands \r\n\\\\\r\na,b; c\r\n",
    )
    .unwrap();
    let around = Surroundings::of(
        &[("POLIS_SECRETS", github), ("POLIS_SECRETS_2", "a, b")],
        &[("ACME_SECRET", github), ("POLIS_OLD_SECRETS", "x y")],
    );
    let arguments = ["--verify", "github", "--config", path.to_str().unwrap()];
    let of_file = ["--secrets-file", file.to_str().unwrap()];
    let settings = Settings::read(flags(&[&arguments[..], &of_file].concat()), &around).unwrap();
    let texts = |secrets: &[polis::SigningSecret]| {
        let texts = secrets.iter().map(|secret| secret.expose().to_owned());
        texts.collect::<Vec<_>>()
    };
    let own = settings.default_scope.verification.unwrap();
    assert_eq!(
        texts(&own.secrets),
        [
            github,
            "# not a note",
            "old but new",
            "\\",
            "a,b; c",
            github,
            "a, b"
        ]
    );
    assert_eq!(
        texts(&own.old_secrets),
        ["gone", " kept as it stands ", "x y"]
    );
    let acme = settings.scopes["acme"].verification.as_ref().unwrap();
    assert_eq!(texts(&acme.secrets), [github]);
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn what_was_a_list_in_one_variable_is_told() {
    let list = "whsec_aaaaaaaaaaaaaaaa,whsec_bbbbbbbbbbbbbbbb";
    let around = Surroundings::of(&[("POLIS_SECRETS", list)], &[]);
    let told = Settings::read(flags(&["--verify", "stripe"]), &around)
        .unwrap()
        .warnings;
    assert!(
        told.len() == 1 && told[0].contains("one secret") && told[0].contains("POLIS_SECRETS_1"),
        "{told:?}"
    );
    assert!(!told[0].contains("whsec_a"), "{told:?}");
}

#[test]
fn a_short_standard_webhooks_secret_is_told_but_accepted() {
    let (_folder, path) =
        toml("[scopes.acme]\nverify = \"standard\"\nsecrets_variable = \"ACME_SECRET\"\n");
    let config = path.to_str().unwrap();
    let read = |preset: &str, own: &str, acme: &str| {
        let around = Surroundings::of(&[("POLIS_SECRETS", own), ("ACME_SECRET", acme)], &[]);
        let given = flags(&["--verify", preset, "--config", config]);
        Settings::read(given, &around).unwrap().warnings
    };
    let right = format!("whsec_{}", "a".repeat(32));
    assert_eq!(read("standard", &right, &right), [""; 0]);
    let told = read("standard", "whsec_abc", "whsec_abcd");
    assert_eq!(
        told,
        [
            "POLIS_SECRETS: the whsec_ secret decodes to 2 bytes, but Standard Webhooks wants 24 to 64; was it cut?",
            "scopes.acme in PATH: ACME_SECRET: the whsec_ secret decodes to 3 bytes, but Standard Webhooks wants 24 to 64; was it cut?"
                .replace("PATH", config)
                .as_str()
        ]
    );
    let long = format!("whsec_{}", "a".repeat(88));
    assert!(read("standard", &long, &right)[0].contains("decodes to 66 bytes"));
    // For other senders, the prefix is part of the text.
    assert_eq!(read("stripe", "whsec_abc", &right), [""; 0]);
}

#[test]
fn the_uppermost_layer_says_the_statuses() {
    let (_folder, path) = toml("respond = \"500x2,200\"\n");
    let config = path.to_str().unwrap();
    let read = |arguments: &[&str], around: &[(&str, &str)]| {
        let arguments = [arguments, &["--config", config]].concat();
        let settings = Settings::read(flags(&arguments), &Surroundings::of(around, &[])).unwrap();
        let respond = settings.default_scope.rules.specs()[0].respond.clone();
        respond.unwrap().to_string()
    };
    let variable = [("STATUS_CODE", "503x1,404")];
    assert_eq!(read(&["--respond", "201"], &variable), "201");
    assert_eq!(read(&[], &variable), "503x1,404");
    assert_eq!(read(&[], &[]), "500x2,200");
}

#[test]
fn a_host_that_a_shell_or_conda_sets_does_not_stop_polis() {
    let read = |arguments: &[&str], process: &[(&str, &str)], env: &[(&str, &str)]| {
        let settings = Settings::read(flags(arguments), &Surroundings::of(process, env)).unwrap();
        (settings.host.to_string(), settings.warnings)
    };
    let quiet: Vec<String> = Vec::new();
    let local = ("127.0.0.1".to_owned(), quiet.clone());
    assert_eq!(read(&[], &[("HOST", "localhost")], &[]), local);
    assert_eq!(read(&["--host", "localhost"], &[], &[]), local);
    let conda = [("HOST", "x86_64-conda-linux-gnu")];
    let (host, told) = read(&[], &conda, &[]);
    assert_eq!(host, "127.0.0.1");
    assert!(
        told[0].contains("x86_64-conda-linux-gnu") && told[0].contains("--host"),
        "{told:?}"
    );
    let given = read(&["--host", "127.0.0.3"], &conda, &[]);
    assert_eq!(given, ("127.0.0.3".to_owned(), quiet));
    let told = faults(&["--host", "elsewhere"], &Surroundings::of(&[], &[]));
    assert!(told.contains("--host is \"elsewhere\""), "{told}");
    let told = faults(&[], &Surroundings::of(&[], &[("HOST", "elsewhere")]));
    assert!(told.contains("HOST in .env is \"elsewhere\""), "{told}");
}

#[test]
fn secrets_that_nothing_checks_are_told() {
    let read = |arguments: &[&str]| {
        let around = Surroundings::of(&[("POLIS_SECRETS", "a-secret")], &[]);
        Settings::read(flags(arguments), &around).unwrap().warnings
    };
    let told = read(&[]);
    assert!(
        told.len() == 1 && told[0].contains("POLIS_SECRETS") && told[0].contains("--verify"),
        "{told:?}"
    );
    assert!(!told[0].contains("a-secret"), "{told:?}");
    assert_eq!(read(&["--verify", "github"]), [""; 0]);
}

/// "10MB" was read in 1024s and shown in 1000s.
#[test]
fn a_size_is_read_as_it_is_shown() {
    let read = |size: &str| {
        let around = Surroundings::of(&[], &[]);
        Settings::read(flags(&["--body-limit", size]), &around)
            .unwrap()
            .body_limit
    };
    assert_eq!(read("10MB"), 10_000_000);
    assert_eq!(read("10 mib"), 10 * 1024 * 1024);
    assert_eq!(read("64k"), 64_000);
    assert_eq!(read("1048576"), 1_048_576);
    assert_eq!(Settings::default().body_limit, read("10MB"));
    assert_eq!(Settings::default().keep.bytes, read("64MB"));
}

#[test]
fn a_body_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    std::fs::write(&path, b"\xff").unwrap();
    let flag = format!("@{}", path.display());
    let settings = Settings::read(flags(&["--body", &flag]), &Surroundings::of(&[], &[])).unwrap();
    let spec = &settings.default_scope.rules.specs()[0];
    assert_eq!(spec.body_base64.as_deref(), Some("/w=="));
    let told = faults(&["--body", "@/nowhere"], &Surroundings::of(&[], &[]));
    assert!(told.contains("/nowhere"), "{told}");
}
