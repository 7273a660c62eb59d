//! How the verbs find the running polis, and what must not stop them.

use polis::Listener;
use tempfile::TempDir;

use crate::run::polis;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn page_port(listener: &Listener) -> String {
    listener.page_url().rsplit(':').next().unwrap().to_owned()
}

#[tokio::test]
async fn no_other_setting_keeps_a_verb_from_the_polis_that_runs() {
    let listener = Listener::start().await.unwrap();
    let sent = reqwest::Client::new().post(listener.url()).body("x");
    sent.send().await.unwrap();
    listener.wait_for(1).await.unwrap();
    let port = page_port(&listener);
    let toml = format!(
        "verify = \"github\"\nui_port = {port}\nrespond = \"nonsense\"\nunknown = 1\n[scopes.a]\nverify = \"standard\"\nsecrets_variable = \"NONE\"\n"
    );
    let here = folder(&[
        ("polis.toml", &toml),
        (".env", "POLIS_SECRETS=not a line\nPOLIS_OLD_SECRETS='\n"),
    ]);
    let to = listener.url();
    for (verb, code) in [
        (&["ls"][..], 0),
        (&["show", "1"], 0),
        (&["diff", "1", "1"], 0),
        (&["export"], 0),
        (&["wait", "--timeout", "5s"], 0),
        (&["replay", "1", "--to", &to], 0),
    ] {
        let ran = polis(verb)
            .inside(here.path())
            .variable("POLIS_SECRETS", "whsec_nonsense!")
            .end()
            .await;
        assert_eq!(ran.code, code, "{verb:?}: {ran:?}");
    }
}

#[tokio::test]
async fn each_layer_with_a_port_is_over_the_one_below() {
    let listener = Listener::start().await.unwrap();
    let port = page_port(&listener);
    let here = folder(&[
        ("polis.toml", "ui_port = 1\nport = 2\n"),
        (".env", &format!("UI_PORT={port}\n")),
    ]);
    let ran = polis(&["ls"]).inside(here.path()).end().await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let above = polis(&["ls"]).inside(here.path()).variable("UI_PORT", "3");
    let ran = above.end().await;
    assert!(ran.stderr.contains("127.0.0.1:3"), "{ran:?}");
    let flag = polis(&["ls", "--api", &listener.page_url()])
        .inside(here.path())
        .variable("UI_PORT", "3");
    assert_eq!(flag.end().await.code, 0);
}

#[tokio::test]
async fn a_wrong_port_is_named_with_where_it_stands() {
    for (files, told) in [
        (
            &[("polis.toml", "port = \"abc\"\n")][..],
            "port in polis.toml is \"abc\"",
        ),
        (&[("polis.toml", "ui_port = [1]\n")], "ui_port = [1]"),
        (&[(".env", "PORT=90000\n")], "PORT in .env is \"90000\""),
        (&[(".env", "export UI_PORT=90 01\n")], "the line of UI_PORT"),
        (&[(".env", "POLIS_API=a b\n")], "the line of POLIS_API"),
        (&[("polis.toml", "port = 65535\n")], "PORT is 65535"),
    ] {
        let here = folder(files);
        let ran = polis(&["ls"]).inside(here.path()).end().await;
        assert_eq!(ran.code, 2, "{files:?}: {ran:?}");
        assert!(ran.stderr.contains(told), "{files:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_line_of_env_that_cannot_be_read_is_told_without_what_is_in_it() {
    let here = folder(&[(
        ".env",
        "POLIS_SECRETS=planted secret\nplanted line\nplanted=a b\n",
    )]);
    let ran = polis(&["--port", "0"]).inside(here.path()).end().await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("the line of POLIS_SECRETS"), "{ran:?}");
    assert!(ran.stderr.contains("not NAME=value"), "{ran:?}");
    assert!(!ran.stderr.contains("planted"), "{ran:?}");
}
