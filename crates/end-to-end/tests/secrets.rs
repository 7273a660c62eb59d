//! Nothing that must stay secret is written down: not in logs, not in files, not on pages.

use std::path::Path;

use end_to_end::Chain;

/// The number of the phone, and the token that this test gives the account.
const PLANTED: [&str; 2] = ["5555550100", "a-token-that-nobody-may-see"];

#[tokio::test(flavor = "multi_thread")]
async fn no_log_page_or_file_of_the_chain_shows_a_secret() -> anyhow::Result<()> {
    let chain = Chain::with_token(PLANTED[1]).await?;
    // What works, what Twilio refuses, and what fails: each writes other lines.
    let works = chain.press().await?;
    chain
        .page_says(&works, &["It was delivered to the phone."])
        .await?;
    chain
        .phone
        .switch(&[("answer", "server_error"), ("times", "1")])
        .await?;
    let fails = chain.press().await?;
    chain
        .page_says(&fails, &["the texter answered 503"])
        .await?;
    let page = chain.page(&works).await? + &chain.page(&fails).await?;

    let key = chain.secret().trim_start_matches("whsec_").to_owned();
    let secrets = [PLANTED[0], PLANTED[1], &key];
    // dev-phone introduces itself with the numbers that it was given: that is its greeting.
    let logs = chain.logs();
    let logs: Vec<&str> = logs
        .lines()
        .filter(|line| !line.starts_with("  SMS_TWILIO_"))
        .collect();
    for (place, text) in [("a log", &logs.join("\n")), ("a page", &page)] {
        for secret in secrets {
            assert!(!text.contains(secret), "{place} shows {secret}:\n{text}");
        }
    }
    // The button's own store must sign, so the key is in it and in no other file.
    let mut kept_in_store = false;
    for file in files_in(chain.data())? {
        let bytes = std::fs::read(&file)?;
        if file.extension().is_some_and(|extension| extension == "log") {
            continue;
        }
        let holds = |secret: &str| {
            bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        };
        let name = file.display().to_string();
        assert!(!holds(PLANTED[0]) && !holds(PLANTED[1]), "{name}");
        if holds(&key) {
            assert!(name.contains("button.db"), "{name}");
            kept_in_store = true;
        }
    }
    assert!(kept_in_store, "this search finds what is there");
    Ok(())
}

fn files_in(directory: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_in(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
