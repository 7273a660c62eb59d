//! The example of `polis sign --help`, as a person types it, against the texter.

use std::process::Stdio;

use anyhow::Context;
use end_to_end::{Chain, PATIENCE, program_path, until};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn the_texter_accepts_what_polis_sign_and_curl_send() -> anyhow::Result<()> {
    let chain = Chain::start().await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("body.json"),
        r#"{"id":"typed-1","event":"random_number:generate","data":863}"#,
    )?;
    let typed = format!(
        "'{}' sign body.json | curl -sS -H @- --data-binary @body.json -w ' %{{http_code}}' {}",
        program_path("polis")?.display(),
        chain.texter_url
    );
    let output = Command::new("sh")
        .args(["-c", &typed])
        .env("POLIS_SECRETS", chain.secret())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.ends_with(" 201"), "{output:?}");
    until("the text", PATIENCE, || async {
        let bodies = chain.phone.bodies().await?;
        let text = bodies.iter().find(|body| body.contains("863"));
        text.map(|_| ()).context("no text yet")
    })
    .await
}
