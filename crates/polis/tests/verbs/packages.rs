//! Installs the providers' own npm packages, pinned, below `target/`, once, and asks them.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// The newest versions when the tests were written.
const PACKAGES: [&str; 7] = [
    "@linear/sdk@98.0.0",
    "@octokit/webhooks-methods@6.0.0",
    "@paddle/paddle-node-sdk@3.10.0",
    "discord-interactions@4.4.0",
    "standardwebhooks@1.1.1",
    "stripe@23.1.0",
    "twilio@6.2.0",
];

/// Asks whether the library of the provider accepts a request; one JSON question in, one
/// JSON answer out.
pub(crate) fn ask(question: &Value) -> Value {
    let node = installed("node");
    let script = script();
    let mut child = Command::new(node)
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(question.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{} failed; see its output",
        script.display()
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn installed(program: &str) -> PathBuf {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        found,
        "`{program}` is needed for this test; install it with: apt-get install nodejs npm"
    );
    program.into()
}

/// The script next to its packages: Node looks for them from the script's own folder upwards.
fn script() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("providers-2");
    fs::create_dir_all(&folder).unwrap();
    // Parallel tests wait for one that installs.
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let complete = folder.join("complete");
    if !complete.exists() {
        let status = Command::new(installed("npm"))
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
            ])
            .arg(&folder)
            .args(PACKAGES)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(
            status.success(),
            "npm failed; is the package registry reachable?"
        );
        File::create(complete).unwrap();
    }
    let script = folder.join("accepts.mjs");
    let copy = folder.join(format!("accepts.{}.mjs", std::process::id()));
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verbs/accepts.mjs"),
        &copy,
    )
    .unwrap();
    fs::rename(copy, &script).unwrap();
    script
}
