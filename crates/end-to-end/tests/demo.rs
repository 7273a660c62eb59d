//! `scripts/demo` as a person runs it: it comes up, and Ctrl-C leaves nothing behind.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::{Context, bail};
use end_to_end::{Demo, PATIENCE, program_path, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_comes_up_texts_a_number_and_ctrl_c_leaves_nothing_behind() -> anyhow::Result<()> {
    let mut demo = Demo::up().await?;
    let output = demo.script.output();
    let open = format!("Open {} and press the button", demo.button_url());
    assert!(output.contains(&open), "{output}");
    let [button, ..] = demo.ports();

    let pressed = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{button}/"))
        .send()
        .await?;
    assert_eq!(pressed.status(), 200, "the number's page");
    let phone = demo.phone();
    until("a text", PATIENCE, || async {
        phone.bodies().await?.pop().context("no text yet")
    })
    .await?;
    until("the webhook in polis's log", PATIENCE, || async {
        let output = demo.script.output();
        let arrived = output
            .lines()
            .any(|line| line.starts_with("polis  ") && line.contains("random_number:generate"));
        arrived.then_some(()).context(output)
    })
    .await?;

    polis_shows_it_verified(&demo.polis_url()).await?;
    one_line_a_fact(&demo).await?;
    the_verbs_work_as_they_are_printed(&demo)?;

    let status = demo.script.interrupt().await?;
    assert_eq!(status, Some(130), "{}", demo.script.output());
    until("the demo's processes to be gone", PATIENCE, || async {
        let left = demo.script.left().await?;
        if !left.is_empty() {
            bail!("still running:\n{left}");
        }
        Ok(())
    })
    .await?;
    assert_eq!(demo.script.files_left()?, Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_relay_each_number_is_told_to_a_chat() -> anyhow::Result<()> {
    let demo = Demo::start(&["--no-build", "--relay"], &[])?;
    demo.is_up().await?;
    let button = demo.button_url();
    let pressed = reqwest::Client::new().post(&button).send().await?;
    assert_eq!(pressed.status(), 200, "the number's page");
    let text = async |url: String| -> anyhow::Result<String> {
        let answer = reqwest::get(url).await?;
        Ok(answer.error_for_status()?.text().await?)
    };
    until("the message in polis's scope", PATIENCE, || async {
        let listed = text(format!("{}/api/requests?scope=chat", demo.polis_url())).await?;
        let listed: serde_json::Value = serde_json::from_str(&listed)?;
        let message = listed["requests"][0]["id"]
            .as_u64()
            .context("no message yet")?;
        let shown = text(format!("{}/requests/{message}", demo.polis_url())).await?;
        anyhow::ensure!(shown.contains("The button drew"), "{shown}");
        Ok(())
    })
    .await?;
    until("the relay's page", PATIENCE, || async {
        let page = text(demo.relay_url()).await?;
        anyhow::ensure!(page.contains("Slack answered 200: ok"), "{page}");
        Ok(())
    })
    .await?;
    let page = text(button).await?;
    assert!(
        page.contains(&demo.relay_url()),
        "the button's page links it: {page}"
    );
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
        detail.contains(">sig ok (secret 1 of 1)<")
            && detail.contains("<code>standard</code> expects exactly this to be signed"),
        "{detail}"
    );
    Ok(())
}

/// Of one press each program says its facts, each in a line that a terminal of 100 columns holds.
async fn one_line_a_fact(demo: &Demo) -> anyhow::Result<()> {
    let lines = until("the last fact", PATIENCE, || async {
        let output = demo.script.output();
        let (_, pressed) = output.split_once("stops everything.").context("not up")?;
        let said = |name: &str, part: &str| {
            pressed
                .lines()
                .any(|line| line.starts_with(name) && line.contains(part))
        };
        let facts = [
            ("button", " drawn; its webhooks are stored"),
            ("button", " delivered to the texter: 201 in "),
            ("button", " delivered to polis: 200 in "),
            ("texter", " handed to Twilio as SM"),
            ("texter", " delivered to the phone"),
            ("phone", " accepted a text, SM"),
        ];
        match facts.iter().find(|(name, part)| !said(name, part)) {
            Some(missing) => bail!("no {missing:?} in {output}"),
            None => Ok(pressed.lines().map(str::to_owned).collect::<Vec<_>>()),
        }
    })
    .await?;
    let ours = lines.iter().filter(|line| !line.starts_with("polis"));
    let (mut count, mut longest) = (0, 0);
    for line in ours.filter(|line| !line.trim().is_empty()) {
        count += 1;
        longest = longest.max(line.chars().count());
    }
    assert!(
        count <= 7 && longest <= 100,
        "{count} lines, {longest} columns: {lines:#?}"
    );
    Ok(())
}

/// Where no polis is installed, too.
fn the_verbs_work_as_they_are_printed(demo: &Demo) -> anyhow::Result<()> {
    let output = demo.script.output();
    let printed: Vec<&str> = output
        .lines()
        .skip_while(|line| !line.contains("export POLIS_API"))
        .take_while(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(printed.len(), 3, "{output}");
    let ran = Command::new("bash")
        .args(["-euc", &printed.join("\n")])
        .env("PATH", "/usr/bin:/bin")
        .current_dir(demo.script.directory())
        .output()?;
    let (said, complained) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{said}{complained}");
    assert!(
        said.contains("random_number:generate") && said.contains("webhook-signature"),
        "{said}"
    );
    Ok(())
}

/// The packages that the demo builds, as its script lists them.
fn packages() -> anyhow::Result<Vec<String>> {
    let script = std::fs::read_to_string(root().join("scripts/demo"))?;
    let list = script
        .lines()
        .find_map(|line| line.strip_prefix("packages=(")?.strip_suffix(')'))
        .context("scripts/demo lists its packages")?;
    Ok(list.split_whitespace().map(str::to_owned).collect())
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The crates that `arguments` of `cargo tree` name.
fn tree(arguments: &[&str]) -> anyhow::Result<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges=normal,build",
            "--prefix=none",
        ])
        .args(arguments)
        .current_dir(root())
        .output()?;
    anyhow::ensure!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    Ok(String::from_utf8(tree.stdout)?)
}

#[test]
fn the_demo_never_compiles_what_only_other_programs_need() -> anyhow::Result<()> {
    let packages = packages()?;
    let named: Vec<String> = packages
        .iter()
        .map(|name| format!("--package={name}"))
        .collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let demo = tree(&named)?;
    let has = |tree: &str, name: &str| {
        tree.lines()
            .any(|line| line.split(' ').next() == Some(name))
    };
    // This search finds what is there.
    for package in packages
        .iter()
        .map(String::as_str)
        .chain(["rusqlite", "webhooks-core"])
    {
        assert!(has(&demo, package), "{package} is not in {demo}");
    }
    for other in [
        "sqlx",
        "sqlx-core",
        "sqlx-postgres",
        "fantoccini",
        "webhooks-server",
    ] {
        assert!(!has(&demo, other), "{other} is in the demo's tree:\n{demo}");
    }
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    if lock.contains("name = \"sqlx\"") {
        let whole = tree(&["--workspace", "--all-features"])?;
        assert!(has(&whole, "sqlx"), "sqlx is in the lock and in no program");
    }
    Ok(())
}

/// Starts the demo with a cargo that builds nothing, on programs as old as `age` (for `touch -d`);
/// what cargo was asked to build.
async fn asked_to_build(age: &str) -> anyhow::Result<String> {
    let directory = tempfile::tempdir()?;
    let debug = directory.path().join("target/debug");
    std::fs::create_dir_all(&debug)?;
    for package in packages()? {
        let program = program_path(&package)?;
        let dependencies = program.with_extension("d");
        for file in [program, dependencies] {
            let copy = debug.join(file.file_name().context("a name")?);
            std::fs::copy(&file, &copy)?;
            let touched = Command::new("touch")
                .args(["-d", age])
                .arg(&copy)
                .status()?;
            anyhow::ensure!(touched.success());
        }
    }
    let cargo = directory.path().join("cargo");
    let built = directory.path().join("built");
    let target = directory.path().join("target");
    std::fs::write(
        &cargo,
        format!(
            "#!/bin/sh\ncase $1 in\n  metadata) echo '{{\"target_directory\":\"{}\"}}' ;;\n  \
             *) echo \"$@\" >>{} ;;\nesac\n",
            target.display(),
            built.display()
        ),
    )?;
    std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755))?;
    let path = std::env::var("PATH")?;
    let path = format!("{}:{path}", directory.path().display());
    let demo = Demo::start(&[], &[("PATH", path)])?;
    demo.is_up().await?;
    Ok(std::fs::read_to_string(&built).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_are_newer_than_their_sources_are_not_built_again() -> anyhow::Result<()> {
    assert_eq!(asked_to_build("now").await?, "");
    let asked = asked_to_build("2015-09-28").await?;
    for package in packages()? {
        assert!(asked.contains(&format!("--package={package}")), "{asked}");
    }
    assert!(
        !asked.contains("--quiet"),
        "cargo shows its progress: {asked}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_with_its_variable_before_anything_starts() -> anyhow::Result<()> {
    let busy = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let texter = busy.local_addr()?.port();
    let mut demo = Demo::start(&["--no-build"], &[("TEXTER_PORT", texter.to_string())])?;
    let status = demo.script.ended().await?;
    let output = demo.script.output();
    assert_eq!(status, Some(1), "{output}");
    assert!(
        output.contains(&format!(
            "port {texter} is in use; stop the program that has it or set TEXTER_PORT"
        )),
        "{output}"
    );
    assert!(output.contains("nothing was started"), "{output}");
    assert!(
        !output.contains("the phone is on"),
        "no program said anything: {output}"
    );
    drop(busy);
    Ok(())
}
