//! Mails, against a mail server of another's making.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use webhooks_core::DeliveryState;

use crate::{install, rig::Rig};

/// aiosmtpd, as a process; it ends with this value.
struct MailServer {
    child: Child,
    output: BufReader<ChildStdout>,
    port: u16,
    directory: TempDir,
}

impl MailServer {
    fn start(mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.path().join("cert.pem"), signed.cert.pem()).unwrap();
        std::fs::write(
            directory.path().join("key.pem"),
            signed.signing_key.serialize_pem(),
        )
        .unwrap();
        let mut child = Command::new(install::python("aiosmtpd", &["aiosmtpd==1.4.6"]))
            .arg(install::source("mail_server.py"))
            .arg(mode)
            .args([
                directory.path().join("cert.pem"),
                directory.path().join("key.pem"),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        Self {
            child,
            output,
            port: port.trim().parse().unwrap(),
            directory,
        }
    }

    /// The next message; it must have come already.
    fn message(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.directory.path().join("cert.pem")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rules(url: &str, ca: Option<&Path>, to: &str) -> String {
    let ca = ca.map_or(String::new(), |ca| {
        format!("ca = {:?}", ca.display().to_string())
    });
    format!(
        r#"
        [smtp]
        url = "{url}"
        from = "Relay <relay@example.com>"
        {ca}

        [[rule]]
        name = "alert"
        source = "numbers"
        [[rule.action]]
        kind = "email"
        to = "{to}"
        subject = "Drawn: {{{{ data.title }}}}"
        text = "It says {{{{ data.title }}}}."
        "#
    )
}

fn plain(server: &MailServer, to: &str) -> String {
    rules(&format!("smtp://127.0.0.1:{}", server.port), None, to)
}

async fn send(rig: &Rig, title: &str) {
    assert_eq!(
        rig.send("first", "note", json!({"title": title})).await,
        200
    );
    rig.settle().await;
}

#[tokio::test]
async fn a_mail_arrives_encrypted_with_the_password_and_no_line_of_anybody_elses() {
    for (mode, scheme, query) in [
        ("starttls", "smtp", "?tls=required"),
        ("smtps", "smtps", ""),
    ] {
        let mut server = MailServer::start(mode);
        let url = format!("{scheme}://relay:p%40ss@localhost:{}{query}", server.port);
        let file = rules(
            &url,
            Some(&server.certificate()),
            "{{ data.title }} <bob@example.com>",
        );
        let rig = Rig::new(&file.replace("{{ data.title }} <", "Bob <")).await;
        send(&rig, "ünïcode\r\nBcc: evil@example.com\r\n\r\nbody").await;
        let answers = rig.answers("alert", "1-email").await;
        assert!(
            answers[0].starts_with("the mail server answered 250: "),
            "{mode}: {answers:?}"
        );
        let message = server.message();
        assert_eq!(message["tls"], true);
        assert_eq!(message["user"], "relay");
        assert_eq!(message["to"], json!(["bob@example.com"]));
        let data = message["data"].as_str().unwrap();
        let (head, _) = data.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        for name in &names {
            assert!(
                [
                    "From",
                    "To",
                    "Subject",
                    "Message-ID",
                    "Date",
                    "Content-Type",
                    "MIME-Version",
                    "Content-Transfer-Encoding",
                    "X-Peer"
                ]
                .contains(name),
                "{name} in {head}"
            );
        }
        assert!(names.contains(&"Message-ID") && names.contains(&"Subject"));
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let server = MailServer::start("smtps");
    let url = format!("smtps://relay:p%40ss@localhost:{}", server.port);
    let rig = Rig::new(&rules(&url, None, "bob@example.com")).await;
    send(&rig, "secret").await;
    let answers = rig.answers("alert", "1-email").await;
    assert!(
        answers[0].contains("certificate") && !answers[0].contains("may have been done"),
        "{answers:?}"
    );
    // A wrong password is somebody's to correct, and the mail goes out then.
    let wrong = url.replace("p%40ss", "wrong");
    let rig = rig
        .restart_with(&rules(
            &wrong,
            Some(&server.certificate()),
            "bob@example.com",
        ))
        .await;
    rig.pass(Duration::from_secs(120)).await;
    let answers = rig.answers("alert", "1-email").await;
    assert!(answers[1].contains("535"), "{answers:?}");
    let deliveries = rig.deliveries("alert", "1-email").await;
    assert!(!matches!(deliveries[0].state, DeliveryState::Ended { .. }));
}

#[tokio::test]
async fn a_mail_that_is_put_off_comes_later_and_one_that_is_refused_never() {
    let mut server = MailServer::start("plain");
    let rig = Rig::new(&plain(&server, "later@example.com")).await;
    send(&rig, "hello").await;
    rig.pass(Duration::from_secs(60)).await;
    let answers = rig.answers("alert", "1-email").await;
    assert!(
        answers[0].contains("451") && answers[1].contains("250"),
        "{answers:?}"
    );
    let data = server.message()["data"].as_str().unwrap().to_owned();
    assert!(
        data.contains("It says hello.") && !data.contains("repeat"),
        "{data}"
    );

    let rig = Rig::new(&plain(&server, "never@example.com")).await;
    send(&rig, "hello").await;
    let deliveries = rig.deliveries("alert", "1-email").await;
    assert!(
        matches!(deliveries[0].state, DeliveryState::Ended { .. }),
        "{deliveries:?}"
    );
    assert!(rig.answers("alert", "1-email").await[0].contains("550"));
}

#[tokio::test]
async fn a_mail_that_may_have_been_taken_says_so_and_bears_the_same_id() {
    let mut server = MailServer::start("plain");
    let rig = Rig::new(&plain(&server, "broken@example.com")).await;
    send(&rig, "hello").await;
    rig.pass(Duration::from_secs(60)).await;
    let messages = [server.message(), server.message()];
    let of = |message: &Value| {
        let data = message["data"].as_str().unwrap();
        let id = data
            .lines()
            .find(|line| line.starts_with("Message-ID"))
            .unwrap()
            .to_owned();
        (id, data.contains("may be a repeat"))
    };
    let (first, second) = (of(&messages[0]), of(&messages[1]));
    assert_eq!(first.0, second.0);
    assert_eq!((first.1, second.1), (false, true));
}

#[tokio::test]
async fn an_address_that_an_event_brings_is_an_address_or_refused() {
    let mut server = MailServer::start("plain");
    let rig = Rig::new(&plain(&server, "{{ data.title }}")).await;
    send(&rig, "alice@example.com").await;
    assert_eq!(server.message()["to"], json!(["alice@example.com"]));
    let two = json!({"title": "alice@example.com>\r\nRCPT TO:<evil@example.com"});
    assert_eq!(rig.send("second", "note", two).await, 200);
    rig.settle().await;
    let deliveries = rig.deliveries("alert", "1-email").await;
    let answer = String::from_utf8_lossy(&deliveries[0].attempts[0].body_head);
    assert!(answer.contains("is not a mail address"), "{answer}");
}
