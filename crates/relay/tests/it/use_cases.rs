//! The examples as they are run by one command each.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use scratch_postgres::Database;
use sqlx::{Connection, PgConnection, Row};

/// Built with the tests, beside them.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join("examples/use_case");
    assert!(
        program.exists(),
        "{} was not built; run scripts/test",
        program.display()
    );
    program
}

fn run(name: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(program())
        .arg(name)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    text
}

fn got(text: &str) -> Vec<&str> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("the chat got: "));
    lines.collect()
}

#[test]
fn issues_and_pull_requests_are_told_to_the_chat() {
    let text = run("github", &[]);
    let mut messages = got(&text);
    messages.sort_unstable();
    assert_eq!(
        messages,
        [
            r#""alice opened issue 7 of octo/numbers: The button is &lt;too&gt; big https://github.com/octo/numbers/issues/7""#,
            r#""bob merged pull request 8 of octo/numbers: Make the button smaller https://github.com/octo/numbers/pull/8""#,
        ]
    );
}

#[test]
fn what_ci_says_of_the_main_branch_is_told_to_the_chat() {
    let text = run("ci", &[]);
    let messages = got(&text);
    assert_eq!(messages.len(), 1, "{text}");
    assert!(
        messages[0].starts_with(r#""❌ tests failure on Make the button \\*smaller\\* "#),
        "{text}"
    );
}

#[test]
fn a_high_number_is_mailed() {
    let text = run("alert", &[]);
    assert_eq!(text.matches("the mail server got:").count(), 1, "{text}");
    for part in [
        "To: operator@example.com",
        "Subject: A high number: 901",
        "The button drew 901 at 20",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn each_number_is_a_row_in_sqlite_or_postgres() {
    let text = run("database", &[]);
    assert!(
        text.ends_with("the table has: first, 901\nthe table has: second, 7\n"),
        "{text}"
    );
    let database = Database::create().unwrap();
    let url = database.url().to_owned();
    tokio::task::spawn_blocking(move || run("database", &[("DATABASE_URL", &url)]))
        .await
        .unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let rows = sqlx::query("select number from random_number order by id")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let numbers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(numbers, [901, 7]);
}

#[test]
fn the_weather_is_beside_the_number() {
    let text = run("weather", &[]);
    assert_eq!(
        got(&text),
        [r#""863, and in Denver it is 21.5 °C with a wind of 9.4 km/h""#]
    );
}

#[tokio::test]
async fn a_drink_from_the_form_is_told_with_its_stars() {
    let mut child = Command::new(program())
        .arg("boozebot")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let url = line.split_whitespace().nth(1).unwrap().to_owned();
    let post = async |body: &str| {
        let request = reqwest::Client::new()
            .post(format!("{url}/"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned());
        request.send().await.unwrap().status()
    };
    assert_eq!(post("drink=Negroni&place=Bar&stars=6&who=Kyle").await, 422);
    let drink = "drink=Negroni+%3C!channel%3E&place=The+Cruise+Room&stars=4&photo=https%3A%2F%2Fexample.com%2Fa.jpg&who=Kyle";
    assert_eq!(post(drink).await, 200);
    line.clear();
    output.read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        line.trim_end(),
        r#"the chat got: "★★★★☆ Negroni &lt;!channel&gt; at The Cruise Room, says Kyle https://example.com/a.jpg""#
    );
}
