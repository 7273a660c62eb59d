//! `scripts/demo` as a person runs it: it comes up, and Ctrl-C leaves nothing behind.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, bail};
use end_to_end::{PATIENCE, Phone, free_ports, until};
use tokio::process::{Child, Command};

/// A running `scripts/demo` in a process group of its own, as a terminal gives it one.
struct Demo {
    child: Child,
    group: u32,
    output: PathBuf,
    directory: tempfile::TempDir,
    ports: [u16; 4],
}

const PORTS: [&str; 4] = ["BUTTON_PORT", "TEXTER_PORT", "PHONE_PORT", "POLIS_PORT"];

impl Demo {
    fn start(ports: [u16; 4]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let output = directory.path().join("output");
        let file = std::fs::File::create(&output)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/demo");
        let mut command = Command::new(script);
        command
            .args(["--no-open", "--no-build"])
            .envs(PORTS.iter().zip(ports.map(|port| port.to_string())))
            .env("TMPDIR", directory.path())
            // From any directory.
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        for variable in ["SID", "TOKEN", "FROM_NUMBER", "TO_NUMBER"] {
            command.env_remove(format!("SMS_TWILIO_{variable}"));
        }
        let child = command.spawn().context("scripts/demo can't be started")?;
        let group = child.id().context("scripts/demo ended at once")?;
        Ok(Self {
            child,
            group,
            output,
            directory,
            ports,
        })
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    async fn is_up(&self) -> anyhow::Result<()> {
        until("scripts/demo to be up", PATIENCE * 2, || async {
            let output = self.output();
            if !output.contains("Ctrl-C stops everything") {
                bail!("it says:\n{output}");
            }
            Ok(())
        })
        .await
    }

    /// What Ctrl-C in a terminal does: the signal goes to every process of the group.
    async fn interrupt(&self) -> anyhow::Result<()> {
        let group = format!("-{}", self.group);
        let sent = Command::new("kill")
            .args(["-INT", "--", &group])
            .status()
            .await?;
        if !sent.success() {
            bail!("kill: {sent}");
        }
        Ok(())
    }

    /// The processes of the demo's group that still run.
    async fn left(&self) -> anyhow::Result<String> {
        let group = self.group.to_string();
        let listed = Command::new("ps")
            .args(["-e", "-o", "pgid=,pid=,stat=,args="])
            .output()
            .await?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let left = listed.lines().filter(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(&group) && !words.nth(1).unwrap_or("Z").starts_with('Z')
        });
        Ok(left.collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let group = format!("-{}", self.group);
        let _ = std::process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_comes_up_texts_a_number_and_ctrl_c_leaves_nothing_behind() -> anyhow::Result<()> {
    let [button, texter, phone, polis, page] = consecutive_last(free_ports::<4>()?)?;
    let mut demo = Demo::start([button, texter, phone, polis])?;
    demo.is_up().await?;
    let output = demo.output();
    for port in [button, texter, phone, page] {
        assert!(
            output.contains(&format!("http://localhost:{port}")),
            "{output}"
        );
    }
    // Without it the verbs look for polis on 9001, where this one captures.
    assert!(
        output.contains(&format!("POLIS_API=http://localhost:{page}\n")),
        "{output}"
    );

    let pressed = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{button}/"))
        .send()
        .await?;
    assert_eq!(pressed.status(), 200, "the number's page");
    let phone = Phone::at(format!("http://127.0.0.1:{phone}"));
    until("a text", PATIENCE, || async {
        phone.bodies().await?.pop().context("no text yet")
    })
    .await?;
    until("the webhook in polis's log", PATIENCE, || async {
        let output = demo.output();
        let arrived = output
            .lines()
            .any(|line| line.starts_with("polis  | ") && line.contains("random_number:generate"));
        arrived.then_some(()).context(output)
    })
    .await?;

    polis_shows_it_verified(&format!("http://127.0.0.1:{page}")).await?;

    demo.interrupt().await?;
    let status = tokio::time::timeout(PATIENCE, demo.child.wait())
        .await
        .context("scripts/demo does not stop")??;
    assert_eq!(status.code(), Some(130), "{}", demo.output());
    until("the demo's processes to be gone", PATIENCE, || async {
        let left = demo.left().await?;
        if !left.is_empty() {
            bail!("still running:\n{left}");
        }
        Ok(())
    })
    .await?;
    let files: Vec<_> = std::fs::read_dir(demo.directory.path())?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()?;
    assert_eq!(files, ["output"], "nothing but the test's own file");
    Ok(())
}

/// On polis's second listener, the API and the page say whose signature it is and which secret made it.
async fn polis_shows_it_verified(page: &str) -> anyhow::Result<()> {
    let text = async |path: String| -> anyhow::Result<String> {
        let answer = reqwest::get(format!("{page}{path}")).await?;
        Ok(answer.error_for_status()?.text().await?)
    };
    let listed = text("/api/requests?event=random_number:generate".to_owned()).await?;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    let [event] = listed["requests"].as_array().context("no list")?.as_slice() else {
        bail!("not one event but {listed}");
    };
    let signature = &event["signature"];
    assert_eq!(signature["verdict"], "ok", "{event}");
    assert_eq!(signature["preset"], "standard", "{event}");
    assert_eq!(
        (&signature["secret"], &signature["secrets"]),
        (&1.into(), &1.into()),
        "{event}"
    );
    let list = text("/?signature=ok".to_owned()).await?;
    assert!(
        list.contains("random_number:generate") && list.contains(">sig ok<"),
        "{list}"
    );
    let detail = text(format!("/requests/{}", event["id"])).await?;
    assert!(
        detail.contains("<b>ok (secret 1 of 1)</b> <span class=\"soft\">(standard)</span>"),
        "{detail}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_with_its_variable_before_anything_starts() -> anyhow::Result<()> {
    let [button, texter, phone, polis, _] = consecutive_last(free_ports::<4>()?)?;
    let busy = tokio::net::TcpListener::bind(("127.0.0.1", texter)).await?;
    let mut demo = Demo::start([button, texter, phone, polis])?;
    let status = tokio::time::timeout(PATIENCE, demo.child.wait())
        .await
        .context("scripts/demo does not stop")??;
    let output = demo.output();
    assert_eq!(status.code(), Some(1), "{output}");
    assert!(
        output.contains(&format!(
            "port {texter} is in use; stop the program that has it or set TEXTER_PORT"
        )),
        "{output}"
    );
    assert!(output.contains("nothing was started"), "{output}");
    assert!(
        !output.contains(" | "),
        "no program said anything: {output}"
    );
    assert_eq!(demo.ports[1], texter);
    drop(busy);
    Ok(())
}

/// polis's page is on the port after its own: the last port must have a free one behind it.
fn consecutive_last(ports: [u16; 4]) -> anyhow::Result<[u16; 5]> {
    let [button, texter, phone, _] = ports;
    for _ in 0..100 {
        let [polis] = free_ports()?;
        let page = polis.checked_add(1).filter(|page| !ports.contains(page));
        if let Some(page) = page
            && std::net::TcpListener::bind(("127.0.0.1", page)).is_ok()
        {
            return Ok([button, texter, phone, polis, page]);
        }
    }
    bail!("no two consecutive free ports")
}
