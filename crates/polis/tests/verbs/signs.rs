//! What `polis sign` prints, and what it says about the secret.

use polis::Listener;

use crate::run::{SECRET, polis};

/// curl calls every body a form unless told otherwise, and receivers of JSON refuse forms.
#[tokio::test]
async fn sign_says_the_bodys_type_beside_its_signature() {
    let types = |arguments: &'static [&'static str], body: &'static [u8]| async move {
        let ran = polis(&[&["sign"], arguments].concat())
            .variable("POLIS_SECRETS", SECRET)
            .stdin(body)
            .end()
            .await;
        let lines = ran.text(0).lines();
        lines
            .filter_map(|line| line.strip_prefix("content-type: ").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let json = ["application/json".to_owned()];
    let form = ["application/x-www-form-urlencoded".to_owned()];
    assert_eq!(types(&[], b"{\"a\": 1}\n").await, json);
    assert_eq!(types(&["--provider=github"], b"[]").await, json);
    let twilio = &["--provider=twilio", "--url=https://example.test/"];
    assert_eq!(types(twilio, b"a=1").await, form);
    let as_said = &["--content-type=application/cloudevents+json"];
    assert_eq!(
        types(as_said, b"{}").await,
        ["application/cloudevents+json".to_owned()]
    );
    // The type of a body that is not JSON is not known.
    assert_eq!(types(&[], b"a=1").await, [""; 0]);
}

/// A secret left over in a variable signs just like the intended one.
#[tokio::test]
async fn the_secret_of_the_file_signs_and_the_verbs_say_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.txt"), "of-the-file\n").unwrap();
    let run = |arguments: &[&str], variable: &'static str| {
        polis(
            &[
                arguments,
                &["--secrets-file", "s.txt", "--provider", "github"],
            ]
            .concat(),
        )
        .inside(folder.path())
        .variable("POLIS_SECRETS", variable)
        .stdin(b"{}")
    };
    let both = run(&["sign", "--id", "1"], "of-the-variable").end().await;
    let alone = run(&["sign", "--id", "1"], "").end().await;
    assert_eq!(both.text(0), alone.text(0));
    assert_eq!(
        both.stderr,
        "polis: signed with secret 1 of 2, from s.txt\n"
    );
    assert_eq!(
        alone.stderr,
        "polis: signed with secret 1 of 1, from s.txt\n"
    );

    let listener = Listener::start().await.unwrap();
    let url = listener.url();
    let send = ["send", &url, "--event", "push", "--data", "{}"];
    let sent = run(&send, "of-the-variable").end().await;
    sent.text(0);
    assert!(
        sent.stderr.contains("secret 1 of 2, from s.txt"),
        "{sent:?}"
    );
    let replay = ["replay", "1", "--to", &url, "--resign"];
    let replayed = run(&replay, "x").at(&listener).end().await;
    replayed.text(0);
    assert!(
        replayed.stderr.contains("secret 1 of 2, from s.txt"),
        "{replayed:?}"
    );
    let unsigned = polis(&["send", &url, "--event", "a", "--unsigned"])
        .end()
        .await;
    assert_eq!(unsigned.stderr, "", "nothing signed");
    let variable = polis(&["sign", "--provider=github"])
        .variable("POLIS_SECRETS_3", "a b")
        .variable("POLIS_SECRETS_1", "c")
        .stdin(b"{}")
        .end()
        .await;
    assert_eq!(
        variable.stderr,
        "polis: signed with secret 1 of 2, from POLIS_SECRETS_1\n"
    );
}

#[tokio::test]
async fn a_cut_secret_is_told_and_tried_and_never_shown() {
    let run = |arguments: &[&str]| {
        polis(arguments)
            .variable("POLIS_SECRETS", "whsec_QkFE")
            .stdin(b"{}")
    };
    let listener = Listener::start().await.unwrap();
    let url = listener.url();
    for ran in [
        run(&["sign"]).end().await,
        run(&["send", &url, "--event", "a"]).end().await,
        run(&["verify", "--provider=standard"]).end().await,
    ] {
        assert_ne!(ran.code, 2, "{ran:?}");
        assert!(
            ran.stderr
                .contains("POLIS_SECRETS: the whsec_ secret decodes to 3 bytes"),
            "{ran:?}"
        );
        assert!(!ran.stderr.contains("QkFE"), "{ran:?}");
    }
}

/// The value, the secret and the signature of GitHub's documentation.
#[tokio::test]
async fn githubs_documented_example_is_verified_from_variable_env_and_file() {
    let secret = "It's a Secret to Everybody";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.txt");
    std::fs::write(&file, format!("\u{feff}{secret}\r\n")).unwrap();
    let in_env = tempfile::tempdir().unwrap();
    let line = format!("\u{feff}POLIS_SECRETS=\"{secret}\"\r\n");
    std::fs::write(in_env.path().join(".env"), line).unwrap();
    let verify = |arguments: &[&str]| {
        polis(
            &[
                &[
                    "verify",
                    "--provider=github",
                    "--header",
                    "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                ],
                arguments,
            ]
            .concat(),
        )
        .stdin(b"Hello, World!")
    };
    let by_file = ["--secrets-file", file.to_str().unwrap()];
    for run in [
        verify(&[]).variable("POLIS_SECRETS", secret),
        verify(&[]).inside(in_env.path()),
        verify(&by_file),
    ] {
        let ran = run.end().await;
        assert!(ran.text(0).contains("ok (secret 1 of 1)"), "{ran:?}");
    }
}

#[tokio::test]
async fn a_raw_secret_signs_and_verifies_and_the_finding_says_so() {
    let raw = "It's a Secret to Everybody";
    let listener = Listener::start().await.unwrap();
    let secret = polis::SigningSecret::new(raw, polis::Preset::Standard);
    listener.verify(polis::Verification {
        preset: polis::Preset::Standard,
        secrets: vec![secret.unwrap()],
        old_secrets: Vec::new(),
        public_url: None,
        enforce: true,
    });
    let ran = polis(&["send", &listener.url(), "--event", "a"])
        .variable("POLIS_SECRETS", raw)
        .end()
        .await;
    ran.text(0);
    assert!(ran.stderr.contains("the secret is not base64"), "{ran:?}");
    let request = listener.wait_for(1).await.unwrap().remove(0);
    assert_eq!(
        request.diagnosis.as_ref().unwrap().text,
        "ok (secret 1 of 1, its text is the key: it is not base64)"
    );
}
