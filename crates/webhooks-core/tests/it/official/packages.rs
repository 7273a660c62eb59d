//! Installs the official packages, pinned, below `target/`, once, and asks scripts questions.

use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The versions that were the newest when the tests were written.
const NPM_PACKAGE: &str = "standardwebhooks@1.1.1";
const PYPI_PACKAGE: &str = "standardwebhooks==1.1.0";

/// A script beside this file, and what runs it: one JSON question in, one JSON answer out.
pub(crate) struct Package {
    program: PathBuf,
    script: PathBuf,
}

impl Package {
    /// A script for Node with nothing installed.
    pub(crate) fn node(script: &str) -> Self {
        let program = installed("node", "apt-get install nodejs npm");
        Self {
            program,
            script: source(script),
        }
    }

    /// A script for Node with the npm package.
    pub(crate) fn npm(script: &str) -> Self {
        let node = Self::node(script);
        let npm = installed("npm", "apt-get install nodejs npm");
        let folder = install(NPM_PACKAGE, |folder| {
            let mut command = Command::new(npm);
            command.args([
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
            ]);
            command.arg(folder).arg(NPM_PACKAGE);
            vec![command]
        });
        // Node looks for packages from the script's own folder upwards.
        // Renamed into place, since a parallel run may be reading it.
        let script = folder.join(script);
        let copy = script.with_extension(format!("{}.mjs", std::process::id()));
        fs::copy(node.script, &copy).unwrap();
        fs::rename(copy, &script).unwrap();
        Self {
            program: node.program,
            script,
        }
    }

    /// A script for Python with the PyPI package, in a virtual environment.
    pub(crate) fn pypi(script: &str) -> Self {
        let python = installed("python3", "apt-get install python3 python3-venv");
        let folder = install(PYPI_PACKAGE, |folder| {
            let mut environment = Command::new(python);
            environment.args(["-m", "venv"]).arg(folder);
            let mut package = Command::new(folder.join("bin/python"));
            package.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]);
            package.arg(PYPI_PACKAGE);
            vec![environment, package]
        });
        Self {
            program: folder.join("bin/python"),
            script: source(script),
        }
    }

    pub(crate) fn ask(&self, question: &Value) -> Value {
        let mut child = Command::new(&self.program)
            .arg(&self.script)
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
            self.script.display()
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn source(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/official")
        .join(script)
}

fn installed(program: &str, install_with: &str) -> PathBuf {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    assert!(
        found,
        "`{program}` is needed for this test; install it with: {install_with}"
    );
    program.into()
}

/// Runs `commands` unless an earlier run finished them. The lock lets parallel runs wait for one.
fn install(package: &str, commands: impl FnOnce(&Path) -> Vec<Command>) -> PathBuf {
    let name: String = package
        .chars()
        .map(|c| if c == '@' || c == '=' { '-' } else { c })
        .collect();
    let kind = if package.contains('@') { "npm" } else { "pypi" };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("official")
        .join(kind)
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let complete = folder.join("complete");
    if !complete.exists() {
        for mut command in commands(&folder) {
            let status = command.stdout(Stdio::null()).status().unwrap();
            assert!(
                status.success(),
                "{command:?} failed; is the package registry reachable?"
            );
        }
        File::create(complete).unwrap();
    }
    folder
}
