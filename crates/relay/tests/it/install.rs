//! Packages of other languages that tests need, pinned, below `target/`, installed once.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Python, in an environment of its own with `packages`.
pub(crate) fn python(name: &str, packages: &[&str]) -> PathBuf {
    let folder = once(name, |folder| {
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv"]).arg(folder);
        let mut install = Command::new(folder.join("bin/python"));
        install.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        install.args(packages);
        [environment, install]
    });
    folder.join("bin/python")
}

/// A copy of `script` beside which Node finds `packages`.
pub(crate) fn node(script: &str, packages: &[&str]) -> PathBuf {
    let folder = once(script, |folder| {
        let mut install = Command::new("npm");
        install.args([
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
        ]);
        install.arg(folder).args(packages);
        [install]
    });
    // Renamed into place, since a parallel run may be reading it.
    let script_here = folder.join(script);
    let copy = script_here.with_extension(format!("{}.mjs", std::process::id()));
    fs::copy(source(script), &copy).unwrap();
    fs::rename(copy, &script_here).unwrap();
    script_here
}

/// A file beside these tests.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it")
        .join(name)
}

/// Runs `commands` unless an earlier run finished them. The lock lets parallel runs wait for one.
fn once<const N: usize>(name: &str, commands: impl FnOnce(&Path) -> [Command; N]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("relay")
        .join(name);
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let complete = folder.join("complete");
    if !complete.exists() {
        for mut command in commands(&folder) {
            let status = command.stdout(Stdio::null()).status();
            let is_done = status.is_ok_and(|status| status.success());
            assert!(
                is_done,
                "{command:?} failed; scripts/test installs what it needs"
            );
        }
        File::create(complete).unwrap();
    }
    folder
}
