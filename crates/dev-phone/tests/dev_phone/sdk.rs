//! Twilio's official Python SDK, pointed at a phone that is served as the binary serves it.
//! The SDK decides what is faithful; the script next to this file says what it does.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use dev_phone::Account;

use crate::desk::{Desk, FROM, Program, SID, Served, TO};

const SDK: &str = "twilio==9.13.0";
const INSTALL: &str = "apt-get install -y python3 python3-venv python3-pip";

/// A Python that has the SDK: a virtual environment in the target directory, made at first use.
fn python() -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(SDK.replace("==", "-"));
    let python = place.join("bin/python");
    let ready = place.join("ready");
    if ready.exists() && python.exists() {
        return python;
    }
    let hint = format!("this test drives Twilio's SDK; install Python with: {INSTALL}");
    run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&place),
        &hint,
    );
    run(
        Command::new(&python).args(["-m", "pip", "install", "--quiet", SDK]),
        &format!("{SDK} could not be installed from PyPI; {hint}"),
    );
    std::fs::write(&ready, SDK).unwrap();
    python
}

fn run(command: &mut Command, hint: &str) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{error}: {hint}"));
    assert!(
        output.status.success(),
        "{hint}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_sdk_cannot_tell_the_difference() {
    let python = tokio::task::spawn_blocking(python).await.unwrap();
    let mut program = Program::start(204, "text/plain", "").await;
    let desk = Desk::with(|config| config.clock = dev_phone::Clock::system());
    let served = Served::start(&desk).await;
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/drive_sdk.py"))
        .env("PHONE_URL", format!("http://{}", served.address))
        .env("SID", SID)
        .env("TOKEN", Account::DEVELOPMENT_TOKEN)
        .env("FROM", FROM)
        .env("TO", TO)
        .env("CALLBACK_URL", &program.url)
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY");
    let driven = tokio::task::spawn_blocking(move || {
        run(
            &mut command,
            "the SDK met something that Twilio does not do",
        )
    });
    let output = driven.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("all as at Twilio\n"), "{said}");

    // The SDK's own validator judges a callback of the text that the script sent.
    let posted = program.next().await;
    let form = serde_json::to_string(&posted.fields()).unwrap();
    let (url, signature) = (program.url.clone(), posted.signature);
    let judged = tokio::task::spawn_blocking(move || {
        run(
            Command::new(self::python()).args([
                "-c",
                VALIDATE,
                Account::DEVELOPMENT_TOKEN,
                &url,
                &form,
                &signature,
            ]),
            "the SDK's validator refused a callback",
        )
    });
    judged.await.unwrap();
}

const VALIDATE: &str = "
import json, sys
from twilio.request_validator import RequestValidator
token, url, form, signature = sys.argv[1:]
assert RequestValidator(token).validate(url, json.loads(form), signature)
assert not RequestValidator(token + 'x').validate(url, json.loads(form), signature)
";
