//! SQL without a driver, through psql.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::programs;

/// Runs one statement and returns its rows, one per line, with columns separated by `|`.
///
/// # Errors
/// When the server cannot be reached or refuses; the error contains psql's message.
pub fn query(url: &str, statement: &str) -> anyhow::Result<String> {
    let output = Command::new(programs::postgres("psql")?)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set=ON_ERROR_STOP=1", "--command", statement, url])
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{statement}: {}", said.trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
