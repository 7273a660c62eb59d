//! Runs the binary, away from any `.env` and `polis.toml`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// One run of `polis`.
pub(crate) struct Run {
    command: Command,
    stdin: Vec<u8>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

pub(crate) fn polis(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polis"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Run {
        command,
        stdin: Vec::new(),
    }
}

impl Run {
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn at(self, listener: &polis::Listener) -> Self {
        self.variable("POLIS_API", &listener.page_url())
    }

    /// In a folder with its own files.
    pub(crate) fn inside(mut self, folder: &std::path::Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self
    }

    pub(crate) async fn end(mut self) -> Ran {
        let output = tokio::task::spawn_blocking(move || {
            let mut child = self.command.spawn().unwrap();
            child.stdin.take().unwrap().write_all(&self.stdin).unwrap();
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// Stdout, after checking the exit code.
    pub(crate) fn text(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// One JSON value per line, after checking the exit code.
    pub(crate) fn json(&self, code: i32) -> Vec<Value> {
        self.text(code)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
